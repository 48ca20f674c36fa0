#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/refusals.hpp>
#include <rankpool/detail/shared_link.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <boost/serialization/access.hpp>
#include <boost/serialization/split_member.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2 {

// Handles of shared objects are task arguments, parts of arguments, and arguments of initializers. The object lives on
// rank 0 as long as one of these does: a handle on rank 0, an open pool whose initializer was given one, a task that
// was given one and has not ended. A handle that a worker keeps beyond that, or that a task returns, is a name only:
// its use throws Error once the object is gone.

/// A lock that works between all tasks and rank 0, on every node. Python: `multiprocessing.Lock`.
///
/// Copies are handles to one lock. Works with std::scoped_lock and std::unique_lock. It is not recursive, and goes to
/// those who wait in the order in which they came. It belongs to the thread that took it; if a worker dies that holds
/// it, or its rank, it is released. Thread-safe, but not across a fork of the user's.
class Lock {
 public:
  /// Makes a new lock on rank 0. In a worker, and outside of `run`, it makes an empty handle, which can be assigned to:
  /// its use throws Error.
  Lock() : handle_(detail::make_shared_lock()) {}

  /// Waits for it. @throws Error if the lock is gone
  void lock() { detail::shared_lock(handle_.id, std::nullopt); }
  [[nodiscard]] bool try_lock() { return detail::shared_lock(handle_.id, std::chrono::nanoseconds(0)); }
  /// False if the time ran out. Python: `acquire(timeout=...)`.
  [[nodiscard]] bool try_lock_for(Timeout timeout) {
    if (!timeout.has_value()) return detail::shared_lock(handle_.id, std::nullopt);
    return detail::shared_lock(handle_.id, timeout.value());
  }
  /// @throws std::logic_error if this thread does not hold it
  void unlock() { detail::shared_unlock(handle_.id); }

 private:
  template <class T>
  friend class Value;
  friend class boost::serialization::access;
  explicit Lock(detail::SharedHandle handle) : handle_(std::move(handle)) {}
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& handle_;
  }

  detail::SharedHandle handle_;
};

/// One value that all tasks and rank 0 share; it lives on rank 0. Python: `multiprocessing.Value`.
///
/// Copies are handles to one value. Each call is atomic for itself; take `get_lock()` around several: while a thread
/// holds it, the calls of all others on this value wait, as Python's do. In a worker a call is a message to rank 0 and
/// back, or none while this thread holds the lock: what it sets is there for the others when it unlocks, and never if
/// it dies before. Thread-safe.
template <class T>
class Value {
  static_assert(detail::plain_bytes<T> || !detail::travels<T>,
                "rankpool: the type of a Value must be trivially copyable, and its bytes mean the same everywhere");

 public:
  /// An empty handle, which can be assigned to: its use throws Error.
  Value() = default;
  /// Makes a new value. @throws Error in a worker or outside of `run`
  explicit Value(T initial) : handle_(detail::make_shared_value(bytes_of(initial))) { detail::check_travels<T>(); }

  [[nodiscard]] T get() const { return value_of(detail::shared_get(handle_.id)); }
  void set(T value) { detail::shared_set(handle_.id, bytes_of(value)); }
  /// Adds and returns the value before; integers wrap around.
  T fetch_add(T summand) requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    constexpr auto kind = std::is_floating_point_v<T> ? detail::NumberKind::floating : detail::NumberKind::integer;
    return value_of(detail::shared_add(handle_.id, kind, bytes_of(summand)));
  }
  /// As std::atomic's: compares bytes, and if they differ `expected` becomes what the value is.
  bool compare_exchange(T& expected, T desired) {
    return detail::shared_exchange(handle_.id, std::as_writable_bytes(std::span(std::addressof(expected), 1)),
                                   bytes_of(desired));
  }
  /// The lock that belongs to this value: the same one from every handle.
  [[nodiscard]] Lock get_lock() const { return Lock(handle_); }

 private:
  friend class boost::serialization::access;
  static std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(std::addressof(value), 1));
  }
  static T value_of(const detail::Bytes& bytes) {
    std::array<std::byte, sizeof(T)> raw;
    if (bytes.size() != sizeof raw) throw Error("a shared value was used as one of another type");
    std::memcpy(raw.data(), bytes.data(), sizeof raw);
    return std::bit_cast<T>(raw);
  }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& handle_;
  }

  detail::SharedHandle handle_;
};

/// A value that was given to all workers at once: encoded once, sent once to each rank that uses it, decoded once in
/// each worker that uses it, when it is first looked at. Made by `broadcast`. Copies are handles; thread-safe.
template <class T>
class Broadcast {
 public:
  /// An empty handle, which can be assigned to: its use throws Error.
  Broadcast() = default;

  /// The value; the reference is good as long as this handle, or another in this process. @throws Error if the
  /// broadcast is gone; SerializationError if it cannot be decoded
  const T& operator*() const {
    if (!state_) throw Error("an empty rankpool::Broadcast was used");
    if (const T* const value = state_->value.load(std::memory_order_acquire)) return *value;
    // No lock is held while the value is decoded, which runs the user's code: of threads that come at the same time
    // the first gives the value.
    detail::shared_blob(state_->id, [&](std::span<const std::byte> encoded) {
      state_->set(std::make_unique<const T>(detail::decode_or_explain<T>(encoded, "a broadcast")));
    });
    detail::keep_shared_state(state_->id, state_);
    return *state_->value.load(std::memory_order_acquire);
  }
  const T* operator->() const { return std::addressof(**this); }

 private:
  struct State {
    std::uint64_t id = 0;
    detail::KeepAlive keep_alive;  ///< on rank 0
    std::atomic<const T*> value{nullptr};

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { delete value.load(std::memory_order_relaxed); }
    void set(std::unique_ptr<const T> made) {
      const T* none = nullptr;
      if (value.compare_exchange_strong(none, made.get())) (void)made.release();
    }
  };
  template <class U>
  friend Broadcast<U> broadcast(U value);
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    detail::KeepAliveScope::keep(state_);
    archive << (state_ ? state_->id : std::uint64_t{0});
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::uint64_t id = 0;
    archive >> id;
    state_ = id == 0 ? nullptr : state_of(id);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  static std::shared_ptr<State> state_of(std::uint64_t id) {
    return std::static_pointer_cast<State>(detail::shared_state(id, [&]() -> std::shared_ptr<void> {
      auto made = std::make_shared<State>();
      made->id = id;
      return made;
    }));
  }

  std::shared_ptr<State> state_;
};

/// Gives a value to all workers: pass the handle to tasks instead of the value. Its data is freed everywhere when the
/// last handle has gone.
/// @throws Error in a worker or outside of `run`; what the value's own `serialize` throws
template <class T>
Broadcast<T> broadcast(T value) {
  detail::Bytes encoded;
  detail::encode(encoded, value);
  detail::SharedHandle handle = detail::make_shared_blob(encoded);
  Broadcast<T> made;
  made.state_ = Broadcast<T>::state_of(handle.id);
  made.state_->keep_alive = std::move(handle.keep_alive);
  made.state_->set(std::make_unique<const T>(std::move(value)));
  return made;
}

}  // namespace rankpool::inline v0_2
