#pragma once

#include <rankpool/detail/bytes.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>

/// Requests to the shared state and their replies: what values, locks, queues and broadcasts say to rank 0, from a
/// worker through its side stream, from rank 0's own threads through the mailbox. The format is told in PROTOCOL.md.
namespace rankpool::wire {

enum class SharedOp : std::uint8_t {
  get,       ///< reply: the value
  set,       ///< body: the value
  add,       ///< body: the summand; reply: the value before
  exchange,  ///< body: expected and desired; reply `done`, or `refused` and the value
  lock,      ///< `number`: nanoseconds to wait, or -1; reply `done`, and the value if it is small, or `refused`
  unlock,    ///< body: the value, if its holder has changed it meanwhile
  blob,      ///< a worker's reply is a BlobPlace
  put,   ///< body: what is put into a queue; `number`: nanoseconds to wait for room, or -1; reply `done` or `refused`
  take,  ///< `number`: nanoseconds to wait, or -1; reply `done` and the first of the queue, or `refused`
};

/// Stands before the body of a request.
struct SharedRequest {
  SharedOp op{};
  std::uint8_t number_kind = 0;  ///< add: detail::NumberKind
  std::uint16_t reserved = 0;
  std::uint32_t reserved_too = 0;
  std::uint64_t id = 0;
  std::uint64_t thread = 0;  ///< of the asking process: who holds a lock
  std::int64_t number = 0;
};
static_assert(sizeof(SharedRequest) == 32);

enum class SharedStatus : std::uint8_t {
  done,
  refused,  ///< the lock was not free or the queue not ready in time, the value was not the expected one
  misuse,   ///< std::logic_error; the text follows
  error,    ///< rankpool::Error; the text follows
};

/// A value up to this size goes along with its lock, so that the holder need not ask for it.
inline constexpr std::size_t kCarriedWithLock = 1024;

/// What `get`, `set`, `add` or `exchange` does to a value, wherever that is at the moment, and the reply.
detail::Bytes serve_value(const SharedRequest& request, std::span<const std::byte> body, std::span<std::byte> value);

/// Where the bytes of a broadcast are mapped from: a descriptor of a process of the same node.
struct BlobPlace {
  std::int64_t pid = 0;
  std::int64_t fd = 0;
  std::uint64_t size = 0;
};

/// A reply is its status and what follows.
inline detail::Bytes shared_reply(SharedStatus status, std::span<const std::byte> body = {}) {
  detail::Bytes reply;
  reply.append(&status, sizeof status);
  reply.append(body.data(), body.size());
  return reply;
}

/// The plain value at the head of `bytes`, which is then cut off; nothing if they are too few.
template <class T>
std::optional<T> take_plain(std::span<const std::byte>& bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

}  // namespace rankpool::wire
