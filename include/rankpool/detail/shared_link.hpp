#pragma once

#include <rankpool/detail/bytes.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace rankpool::detail {

/// How numbers are added where the value lives.
enum class NumberKind : std::uint8_t { none, signed_integer, unsigned_integer, floating };

/// Keeps an object of the shared state alive on rank 0; empty in a worker.
using SharedPin = std::shared_ptr<const void>;

/// A reference to an object of the shared state. On rank 0 it keeps the object alive; in a worker it is a name, good as
/// long as rank 0 or a task that was given it holds one.
struct SharedHandle {
  std::uint64_t id = 0;
  SharedPin pin;
};

// The shared state as this process reaches it: directly on rank 0, by a message to rank 0 in a worker. Thread-safe. All
// throw Error if the object is gone or there is no job, and `make_` also in a worker.
SharedHandle make_shared_value(std::span<const std::byte> initial);
SharedHandle make_shared_lock();
SharedHandle make_shared_blob(Bytes encoded);

Bytes shared_get(std::uint64_t id);
void shared_set(std::uint64_t id, std::span<const std::byte> value);
/// The value before; `sum` has the value's size.
Bytes shared_add(std::uint64_t id, NumberKind kind, std::span<const std::byte> summand);
/// True and set if the value was `expected`; else false, and `expected` is what it is.
bool shared_exchange(std::uint64_t id, std::span<std::byte> expected, std::span<const std::byte> desired);
/// The value's own lock.
SharedHandle shared_lock_of(std::uint64_t id);

/// False if the time ran out; no time: as long as it takes.
bool shared_lock(std::uint64_t id, std::optional<std::int64_t> nanoseconds);
/// Throws std::logic_error by another than the holder.
void shared_unlock(std::uint64_t id);

/// A broadcast's bytes. In a worker they are fetched through its node's agent, which keeps them.
Bytes shared_blob(std::uint64_t id);

/// What a handle is when it is encoded into a task (rank 0: the task keeps the object alive until it has ended) and
/// decoded.
void pin_for_task(const SharedHandle& handle);
SharedHandle shared_handle(std::uint64_t id);

/// Collects what the tasks encoded in this thread have to keep alive, from its construction to its end.
class PinScope {
 public:
  PinScope();
  ~PinScope();
  PinScope(const PinScope&) = delete;
  PinScope& operator=(const PinScope&) = delete;
  /// Everything pinned so far, as one thing; empty if there is nothing.
  [[nodiscard]] SharedPin take();

 private:
  friend void pin_for_task(const SharedHandle& handle);
  PinScope* outer_;
  std::shared_ptr<void> pins_;
};

}  // namespace rankpool::detail
