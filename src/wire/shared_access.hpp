#pragma once

#include "wire/shared.hpp"

#include <rankpool/detail/bytes.hpp>

#include <span>

namespace rankpool::wire {

/// How this process reaches the shared state: a worker through its side stream (worker/shared_access.hpp), rank 0's
/// threads through the mailbox (client/shared_link.cpp). Thread-safe.
class SharedAccess {
 public:
  SharedAccess() = default;
  SharedAccess(const SharedAccess&) = delete;
  SharedAccess& operator=(const SharedAccess&) = delete;
  virtual ~SharedAccess() = default;

  /// Asks and waits for the reply.
  virtual detail::Bytes ask(std::span<const std::byte> request) = 0;
  /// The lock that `request` asked for is this thread's now; `value` came with it, if it is small.
  virtual void locked(const SharedRequest& request, std::span<const std::byte> value) = 0;
  /// Gives a lock back. Throws std::logic_error if it is another's.
  virtual void unlock(const SharedRequest& request) = 0;

  /// A worker's; null in any other process.
  static SharedAccess* of_worker() noexcept;
  static void install(SharedAccess* of_worker) noexcept;
};

}  // namespace rankpool::wire
