#pragma once

#include "base/ids.hpp"

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/shared_link.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace rankpool::engine {

/// Who may hold a lock: a thread of a process. Rank 0 itself is no worker.
struct Holder {
  std::int64_t worker = -1;
  std::uint64_t thread = 0;
  auto operator<=>(const Holder&) const = default;
};

/// The shared values, locks and blobs of the job, as they live on rank 0. Thread-safe: the user's threads call it
/// directly, the engine thread for the workers.
class SharedStore {
 public:
  using Time = std::chrono::steady_clock::time_point;

  detail::SharedHandle make_value(std::span<const std::byte> initial);
  detail::SharedHandle make_lock();
  detail::SharedHandle make_blob(detail::Bytes encoded);
  /// A handle to an object that lives; throws Error otherwise. So do all others that take an id.
  detail::SharedHandle find(std::uint64_t id);

  detail::Bytes get(std::uint64_t id);
  void set(std::uint64_t id, std::span<const std::byte> value);
  detail::Bytes add(std::uint64_t id, detail::NumberKind kind, std::span<const std::byte> summand);
  bool exchange(std::uint64_t id, std::span<std::byte> expected, std::span<const std::byte> desired);
  detail::SharedHandle lock_of(std::uint64_t value);
  /// The encoded bytes; they live as long as what is returned.
  std::shared_ptr<const detail::Bytes> blob(std::uint64_t id);

  /// Waits in this thread until the lock is taken or the time has come.
  bool lock(std::uint64_t id, Holder who, std::optional<Time> until);
  /// Takes the lock, or queues up for it: `granted(true)` is called once it is taken, by whichever thread gave it up,
  /// and `granted(false)` by `expire`. It is called without the store being locked.
  void lock_later(std::uint64_t id, Holder who, std::optional<Time> until, std::function<void(bool)> granted);
  void unlock(std::uint64_t id, Holder who);
  /// A worker is gone: it waits for nothing any more, and what it held is free.
  void release_all_of(std::int64_t worker);
  /// Ends the waits whose time has come. Returns when it has to be called next.
  std::optional<Time> expire(Time now);

 private:
  struct Waiter {
    Holder who;
    std::optional<Time> until;
    std::function<void(bool)> granted;
  };
  struct Object {
    detail::Bytes value;
    std::shared_ptr<const detail::Bytes> blob;
    std::optional<Holder> holder;
    std::deque<Waiter> waiters;
    std::shared_ptr<Object> own_lock;
    std::uint64_t id = 0;
  };
  using Calls = std::vector<std::function<void()>>;

  detail::SharedHandle adopt(std::shared_ptr<Object> object);
  std::shared_ptr<Object> object(std::uint64_t id);
  void pass_on(Object& lock, Calls& calls);

  std::mutex mutex_;
  std::map<std::uint64_t, std::weak_ptr<Object>> objects_;  // guarded by mutex_, as all objects are
  std::uint64_t next_ = 1;
  std::size_t swept_at_ = 64;
};

}  // namespace rankpool::engine
