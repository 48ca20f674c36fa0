#pragma once

#include "wire/frame_reader.hpp"
#include "worker/worker_endpoint.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <unordered_map>
#include <vector>

namespace rankpool::worker {

/// A worker's end of the side stream: requests to rank 0's shared state and their replies. Any number of threads ask at
/// the same time; each that waits may find the replies of others, too.
///
/// A wait ends by its reply or with the process: a worker that is no longer wanted is killed, one whose rank is gone
/// too.
class SideClient {
 public:
  struct Hooks {
    /// Called in the main thread before it sleeps for a reply: what it has finished must not wait with it.
    std::function<void()> before_sleep;
    /// A shared object is gone.
    std::function<void(std::uint64_t id)> forget;
  };

  SideClient(WorkerEndpoint& rings, Hooks hooks) : rings_(rings), channel_(rings.channel()), hooks_(std::move(hooks)) {}
  SideClient(const SideClient&) = delete;
  SideClient& operator=(const SideClient&) = delete;

  /// Asks and waits for the reply.
  detail::Bytes ask(std::span<const std::byte> request);
  /// Tells, and waits for nothing.
  void tell(std::span<const std::byte> request);

  [[nodiscard]] channel::Leases& leases() noexcept { return channel_.control().leases; }
  /// True if there is something that nobody has read. Any thread.
  [[nodiscard]] bool pending() const noexcept {
    return channel_.control().side_in_tail.value.load(std::memory_order_acquire) !=
           read_.load(std::memory_order_relaxed);
  }
  /// Reads it.
  void take_notices();

 private:
  void send(std::uint64_t number, std::span<const std::byte> request);
  void write(std::span<const std::byte> bytes);
  /// Reads what has come, with `mutex_` locked.
  void read();
  bool take_reply(std::uint64_t number, detail::Bytes& reply);
  void forget_noted();
  template <class Ready>
  void await(Ready&& ready);

  WorkerEndpoint& rings_;
  channel::Channel& channel_;
  Hooks hooks_;
  const std::thread::id main_ = std::this_thread::get_id();

  std::mutex sending_;
  std::uint64_t out_tail_ = 0;   // guarded by sending_
  std::uint64_t next_call_ = 0;  // guarded by sending_

  std::mutex mutex_;
  std::atomic<std::uint64_t> read_{0};                        // written with mutex_ locked
  wire::FrameReader reader_;                                  // guarded by mutex_
  std::unordered_map<std::uint64_t, detail::Bytes> replies_;  // guarded by mutex_
  std::vector<std::uint64_t> forgotten_;                      // guarded by mutex_
};

}  // namespace rankpool::worker
