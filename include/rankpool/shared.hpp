#pragma once

#include <rankpool/detail/shared_link.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <boost/serialization/access.hpp>
#include <boost/serialization/split_member.hpp>

#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

namespace rankpool {

namespace detail {

/// A handle travels as its number; a task that carries it keeps the object alive.
template <class Archive>
void save_handle(Archive& archive, const SharedHandle& handle) {
  pin_for_task(handle);
  archive << handle.id;
}
template <class Archive>
SharedHandle load_handle(Archive& archive) {
  std::uint64_t id = 0;
  archive >> id;
  return shared_handle(id);
}

template <class T>
constexpr NumberKind number_kind() {
  if constexpr (std::is_floating_point_v<T>) {
    return NumberKind::floating;
  } else if constexpr (std::is_unsigned_v<T>) {
    return NumberKind::unsigned_integer;
  } else {
    return NumberKind::signed_integer;
  }
}

}  // namespace detail

/// A lock that works between all tasks and rank 0, on every node. Python: `multiprocessing.Lock`.
///
/// Copies are handles to one lock; a handle is a task argument. Works with std::scoped_lock and std::unique_lock. It is
/// not recursive. It belongs to the thread that took it; if that thread's process dies it is released. Thread-safe.
class Lock {
 public:
  /// Makes a new lock on rank 0. In a worker it makes an empty handle, which only assigning can fill: its use throws
  /// Error.
  /// @throws Error outside of `run`
  Lock() : handle_(detail::make_shared_lock()) {}

  void lock() { detail::shared_lock(handle_.id, std::nullopt); }
  [[nodiscard]] bool try_lock() { return detail::shared_lock(handle_.id, 0); }
  /// False if the time ran out. Python: `acquire(timeout=...)`.
  [[nodiscard]] bool try_lock_for(Timeout timeout) {
    if (!timeout.has_value()) return detail::shared_lock(handle_.id, std::nullopt);
    return detail::shared_lock(handle_.id, std::chrono::nanoseconds(timeout.value()).count());
  }
  /// @throws std::logic_error if this thread does not hold it
  void unlock() { detail::shared_unlock(handle_.id); }

 private:
  template <class T>
  friend class Value;
  friend class boost::serialization::access;
  explicit Lock(detail::SharedHandle handle) : handle_(std::move(handle)) {}
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    detail::save_handle(archive, handle_);
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    handle_ = detail::load_handle(archive);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  detail::SharedHandle handle_;
};

/// One value that all tasks and rank 0 share; it lives on rank 0. Python: `multiprocessing.Value`.
///
/// Copies are handles to one value; a handle is a task argument. Each call is atomic for itself; take `get_lock()`
/// around several. In a worker a call is a message to rank 0 and back. Thread-safe.
template <class T>
class Value {
  static_assert(std::is_trivially_copyable_v<T>, "rankpool: the type of a Value must be trivially copyable");

 public:
  /// An empty handle, which only assigning can fill: its use throws Error.
  Value() = default;
  /// Makes a new value. @throws Error in a worker or outside of `run`
  explicit Value(T initial) : handle_(detail::make_shared_value(bytes_of(initial))) {}

  [[nodiscard]] T get() const { return value_of(detail::shared_get(handle_.id)); }
  void set(T value) { detail::shared_set(handle_.id, bytes_of(value)); }
  /// Adds and returns the value before.
  T fetch_add(T summand) requires std::is_arithmetic_v<T> {
    return value_of(detail::shared_add(handle_.id, detail::number_kind<T>(), bytes_of(summand)));
  }
  /// As std::atomic's: compares bytes.
  bool compare_exchange(T& expected, T desired) {
    return detail::shared_exchange(handle_.id, std::as_writable_bytes(std::span(&expected, 1)), bytes_of(desired));
  }
  /// The lock that belongs to this value: the same one from every handle.
  [[nodiscard]] Lock get_lock() const { return Lock(detail::shared_lock_of(handle_.id)); }

 private:
  friend class boost::serialization::access;
  static std::span<const std::byte> bytes_of(const T& value) { return std::as_bytes(std::span(&value, 1)); }
  static T value_of(const detail::Bytes& bytes) {
    if (bytes.size() != sizeof(T)) throw SerializationError("a shared value of another size");
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    detail::save_handle(archive, handle_);
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    handle_ = detail::load_handle(archive);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()

  detail::SharedHandle handle_;
};

}  // namespace rankpool
