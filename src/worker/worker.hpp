#pragma once

#include "channel/channel.hpp"
#include "wire/identity.hpp"
#include "worker/host_turns.hpp"

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/task_context.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace rankpool::worker {

class FrameLine;

/// What the worker's loop needs of the layers above: how tasks are found and exceptions are encoded.
struct WorkerHooks {
  /// Before anything of the user's runs.
  void (*set_identity)(wire::Identity identity) = nullptr;
  void (*run_initializer)(std::span<const std::byte> encoded) = nullptr;
  /// The task that a chunk names; `head` is the rest, the callable. Throws what is to become of each item.
  detail::Invoker (*resolve)(std::span<const std::byte> payload, std::span<const std::byte>& head) = nullptr;
  detail::Bytes (*encode_current_exception)(const std::string& task) = nullptr;
  /// A shared object of that number is gone: what was decoded of it need not be kept.
  void (*forget_shared)(std::uint64_t id) = nullptr;
  /// From now on the process serves a group of others; ends with it.
  void (*serve_group)(std::span<const std::byte> plan, FrameLine& line) = nullptr;
  /// The process becomes a rank of an MPI job of its own.
  void (*join_group)(std::span<const std::byte> environment) = nullptr;
  /// And leaves it.
  void (*leave_group)() = nullptr;
};

/// Serves one channel until it is told to stop. The whole life of a worker process.
[[noreturn]] void worker_main(channel::Channel channel, channel::RankPage* page, int wake, const WorkerHooks& hooks);

/// What a worker is that has no process of its own (MpContext::in_rank).
enum class Extent : std::uint8_t {
  process,  ///< all of a rank that serves: whoever asks for shared objects there is a task
  thread,   ///< one thread of the root
};
/// The same in a process that goes on when it is told to stop. What `turns.wait` throws comes out.
void serve_in_rank(channel::Channel channel, channel::RankPage* page, HostTurns& turns, Extent extent,
                   const WorkerHooks& hooks);

}  // namespace rankpool::worker
