#pragma once

#include "channel/lease.hpp"
#include "wire/shared_access.hpp"
#include "worker/side_client.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace rankpool::worker {

/// The shared state as a worker's threads reach it: over the side stream, or in this process where a thread holds the
/// value's lock and the value came with it. A lock that it has on lease it takes and gives back by itself. Thread-safe.
class SharedAccess final : public wire::SharedAccess {
 public:
  explicit SharedAccess(SideClient& side) : side_(side) {}
  detail::Bytes ask(std::span<const std::byte> request) override;
  void locked(const wire::SharedRequest& request, std::span<const std::byte> value) override;
  void unlock(const wire::SharedRequest& request) override;

 private:
  /// A lock that a thread of this worker holds, and the value that came with it.
  struct Held {
    std::uint64_t thread = 0;
    detail::Bytes value;
    bool changed = false;
    channel::Lease* lease = nullptr;  ///< null: rank 0 is told
    std::uint64_t hold = 0;           ///< its number
    channel::Lease::Time since{};
  };
  std::optional<detail::Bytes> take_on_lease(const wire::SharedRequest& request);
  /// What rank 0 has to be told, if anything.
  std::optional<detail::Bytes> give_back(const wire::SharedRequest& request);
  std::optional<detail::Bytes> serve_here(std::span<const std::byte> request);

  SideClient& side_;
  std::mutex mutex_;
  std::map<std::uint64_t, Held> held_;  // guarded by mutex_
};

}  // namespace rankpool::worker
