#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/shared_link.hpp>
#include <rankpool/timeout.hpp>

#include <boost/serialization/access.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace rankpool::inline v0_2 {

/// A first-in-first-out queue between all tasks and rank 0, on every node. Python: `multiprocessing.Queue`.
///
/// It lives on rank 0. Copies are handles to one queue, and travel as those of Value do: as task arguments, parts of
/// arguments, and arguments of initializers; its life is theirs (shared.hpp). Items are anything that travels. What a
/// task puts before it returns is in the queue when its result is there. An item that was given to a worker which then
/// dies is gone. Thread-safe.
template <class T>
class Queue {
 public:
  /// An empty handle, which can be assigned to: its use throws Error.
  Queue() = default;
  /// Makes a new queue of at most `maxsize` items; 0: as many as memory holds. @throws Error in a worker or outside of
  /// `run`
  explicit Queue(std::size_t maxsize) : handle_(detail::make_shared_queue(maxsize)) {}

  /// Waits until there is room. @throws Error if the queue is gone; what the item's own `serialize` throws
  void put(const T& item) const { detail::shared_put(handle_.id, encoded(item).view(), std::nullopt); }
  /// False if it was full all the time. Python: `put(item, timeout=...)` and `Full`.
  [[nodiscard]] bool try_put_for(const T& item, Timeout timeout) const {
    return detail::shared_put(handle_.id, encoded(item).view(), limit_of(timeout));
  }
  /// Waits for an item. @throws Error if the queue is gone; SerializationError
  T get() const { return decoded(*detail::shared_take(handle_.id, std::nullopt)); }
  /// Nothing if it was empty all the time. Python: `get(timeout=...)` and `Empty`.
  [[nodiscard]] std::optional<T> try_get_for(Timeout timeout) const {
    const auto item = detail::shared_take(handle_.id, limit_of(timeout));
    if (!item) return std::nullopt;
    return decoded(*item);
  }

 private:
  static std::optional<std::chrono::nanoseconds> limit_of(const Timeout& timeout) {
    if (!timeout.has_value()) return std::nullopt;
    return timeout.value();
  }
  static detail::Bytes encoded(const T& item) {
    detail::Bytes bytes;
    detail::encode(bytes, item);
    return bytes;
  }
  static T decoded(const detail::Bytes& bytes) {
    return detail::decode_or_explain<T>(bytes.view(), "an item of a queue");
  }

  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& handle_;
  }

  detail::SharedHandle handle_;
};

}  // namespace rankpool::inline v0_2
