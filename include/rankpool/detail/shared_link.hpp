#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/keep_alives.hpp>

#include <boost/serialization/split_member.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace rankpool::inline v0_2::detail {

/// How numbers are added where the value lives.
enum class NumberKind : std::uint8_t { integer, floating };

struct SharedHandle;
/// The handle of that number: on rank 0 it keeps the object alive, if it lives.
SharedHandle shared_handle(std::uint64_t id);

/// A reference to an object of the shared state; number 0 is none. On rank 0 it keeps the object alive; in a worker it
/// is a name, good as long as rank 0 or a task that was given it holds one. It travels as its number.
struct SharedHandle {
  std::uint64_t id = 0;
  KeepAlive keep_alive;

  template <class Archive>
  void save(Archive& archive, unsigned) const {
    KeepAliveScope::keep(keep_alive);  // a task that carries it keeps the object alive
    archive << id;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::uint64_t number = 0;
    archive >> number;
    *this = shared_handle(number);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

// The shared state as this process reaches it: through the mailbox on rank 0, through its side channel in a worker.
// Thread-safe. All throw Error if the object is gone or there is no job, and `make_` also in a worker.
SharedHandle make_shared_value(std::span<const std::byte> initial);
/// An empty handle in a worker, or outside of `run`.
SharedHandle make_shared_lock();
/// `maxsize` 0: it is never full.
SharedHandle make_shared_queue(std::uint64_t maxsize);
SharedHandle make_shared_blob(std::span<const std::byte> encoded);

Bytes shared_get(std::uint64_t id);
void shared_set(std::uint64_t id, std::span<const std::byte> value);
/// The value before; `summand` has the value's size.
Bytes shared_add(std::uint64_t id, NumberKind kind, std::span<const std::byte> summand);
/// True and set if the value was `expected`; else false, and `expected` is what it is.
bool shared_exchange(std::uint64_t id, std::span<std::byte> expected, std::span<const std::byte> desired);
/// False if the time ran out; no time: as long as it takes.
bool shared_lock(std::uint64_t id, std::optional<std::chrono::nanoseconds> limit);
/// Throws std::logic_error by another than the holder.
void shared_unlock(std::uint64_t id);
/// False if it was full for so long; no time: as long as it takes.
bool shared_put(std::uint64_t id, std::span<const std::byte> item, std::optional<std::chrono::nanoseconds> limit);
/// Nothing if it was empty for so long.
std::optional<Bytes> shared_take(std::uint64_t id, std::optional<std::chrono::nanoseconds> limit);
/// A worker's: gives the bytes of a broadcast, which are this node's.
void shared_blob(std::uint64_t id, const std::function<void(std::span<const std::byte>)>& use);

/// Bytes of broadcasts that this process has sent to other ranks.
std::uint64_t broadcast_bytes_sent() noexcept;

/// What all handles of a broadcast in this process share: made by the first, and kept from `keep_shared_state` on until
/// rank 0 says that the broadcast is gone.
std::shared_ptr<void> shared_state(std::uint64_t id, const std::function<std::shared_ptr<void>()>& make);
void keep_shared_state(std::uint64_t id, std::shared_ptr<void> state);

}  // namespace rankpool::inline v0_2::detail
