#pragma once

#include "keeper/folders.hpp"
#include "wire/group.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rankpool::group {

/// What the PMIx server of a group has to say. Called in a thread of libpmix.
struct PmixEvents {
  std::function<void(std::uint32_t number, std::span<const std::byte> own_part)> fence;
  std::function<void(std::uint32_t number, std::uint32_t rank)> data_wanted;
  std::function<void(std::uint32_t rank, int status)> aborted;
};

/// The PMIx server of one group on one node: what a launcher's daemon is to its ranks. A process has one at most, and
/// ends with it: to take it down would be to risk that libpmix hangs.
///
/// libpmix is loaded when the first of these functions is called; nothing is linked with it.
class PmixServer {
 public:
  /// Throws std::runtime_error with a sentence if libpmix cannot do it.
  PmixServer(wire::GroupPlan plan, const keeper::Folders::Paths& folders, PmixEvents events);
  PmixServer(PmixServer&&) noexcept;
  ~PmixServer();

  /// What PMIx wants to be in the environment of this node's ranks, in their order.
  std::vector<wire::Variables> environments();
  void finish_fence(std::uint32_t number, std::span<const std::byte> all_parts);
  /// `answer(data)` is called in a thread of libpmix, with nothing if there is none.
  void ask(std::uint32_t rank, std::function<void(std::span<const std::byte>)> answer);
  void finish_question(std::uint32_t number, std::span<const std::byte> data);

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::group
