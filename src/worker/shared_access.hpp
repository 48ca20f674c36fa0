#pragma once

#include "wire/shared_access.hpp"
#include "worker/side_client.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

namespace rankpool::worker {

/// The shared state as a worker's threads reach it: over the side stream, or in this process where a thread holds the
/// value's lock and the value came with it. Thread-safe.
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
  };
  std::optional<detail::Bytes> serve_here(std::span<const std::byte> request);

  SideClient& side_;
  std::mutex mutex_;
  std::map<std::uint64_t, Held> held_;  // guarded by mutex_
};

}  // namespace rankpool::worker
