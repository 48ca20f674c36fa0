#pragma once

#include <cstdint>
#include <type_traits>

namespace rankpool::inline v0_2 {

/// An MPI rank of the job.
enum class Rank : std::int32_t {};
/// An executor or pool; never used twice in a job.
enum class PoolId : std::uint32_t {};
/// A worker process; never used twice in a job.
enum class WorkerId : std::uint32_t {};
/// A run of a task of several ranks; never used twice in a job.
enum class GroupId : std::uint32_t {};
/// A host that ranks of the job are on.
enum class NodeId : std::uint32_t {};
/// A piece of work: one submit, or one map with all its items.
enum class WorkId : std::uint64_t {};
/// A run of items of one piece of work, handed to one worker.
enum class ChunkId : std::uint64_t {};

template <class Id>
constexpr auto raw(Id id) noexcept {
  return static_cast<std::underlying_type_t<Id>>(id);
}

}  // namespace rankpool::inline v0_2
