#pragma once

#include "base/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

/// Frames: what passes between rank 0's engine and a worker process, in either direction. An agent between the two
/// relays the bytes without reading them. The format is told in PROTOCOL.md.
namespace rankpool::wire {

/// Raised with every change of a frame or message.
inline constexpr std::uint16_t kVersion = 7;
inline constexpr std::uint16_t kFrameMagic = 0x5250;  // "PR" in memory on little-endian machines

enum class FrameKind : std::uint8_t {
  // engine to worker
  init = 1,  ///< payload: number, rank and host of the worker, then the encoded initializer; its first frame
  chunk,     ///< payload: `extra` bytes of code reference and callable, then the encoded items
  stop,      ///< end after this
  reply,     ///< side stream: answer to the request of number `chunk`; payload: see shared.hpp
  forget,    ///< side stream: the shared object of number `chunk` is gone
  // worker to engine
  ready,        ///< the initializer has run
  init_failed,  ///< payload: encoded exception
  began,        ///< item `first` of the chunk has begun (only with FrameFlag::announce)
  values,       ///< `count` results of fixed size from item `first` on
  value,        ///< one encoded result
  error,        ///< one encoded exception
  skipped,      ///< `count` items that had failed before they were sent
  request,      ///< side stream: shared state; `chunk` is its number, 0 if it wants no reply; payload: see shared.hpp
  // tasks of several ranks (group.hpp)
  serve_group,  ///< engine to worker: be the nursery of a group from now on; payload: GroupPlan
  join_group,   ///< engine to worker: become an MPI process; payload: its environment
  nursery,      ///< both ways: `count` is a NurseryWord
  // of whoever runs tasks
  times,  ///< by the worker's clock, of `count` items from `first` on: begin of the first, end of each; nanoseconds
  name,   ///< engine to worker: what the task of the next chunk is called, as its user has it; payload: text
  // on no wire
  dropped,  ///< what a FrameReader makes of a frame for which there is no memory
};

enum class FrameFlag : std::uint8_t {
  none = 0,
  last = 1,           ///< worker to engine: the chunk is done; `extra` is the time spent on it in nanoseconds
  announce = 2,       ///< engine to worker, on `chunk`: send `began` for each item and publish each outcome at once
  announce_only = 4,  ///< likewise, but what the item returns is not wanted: `skipped` stands for it
  timed = 8,          ///< engine to worker, on `chunk`: send `times` of all items
};

constexpr FrameFlag operator|(FrameFlag a, FrameFlag b) noexcept {
  return FrameFlag(static_cast<std::uint8_t>(static_cast<unsigned>(a) | static_cast<unsigned>(b)));
}
constexpr bool has(FrameFlag flags, FrameFlag flag) noexcept {
  return (static_cast<unsigned>(flags) & static_cast<unsigned>(flag)) != 0;
}

/// Stands before every payload. Native byte order: all ranks run the same build.
struct FrameHeader {
  std::uint16_t magic = kFrameMagic;
  FrameKind kind{};
  FrameFlag flags = FrameFlag::none;
  std::uint32_t count = 0;   ///< items
  std::uint64_t chunk = 0;   ///< ChunkId, or the number of a request
  std::uint64_t length = 0;  ///< bytes of payload that follow
  std::uint64_t extra = 0;   ///< chunk: length of the head; outcomes with `last`: nanoseconds
  /// Outcomes: item within the chunk, from 0. Chunk: nanoseconds for which finished results may be held back, if more
  /// than the worker would anyway.
  std::uint64_t first = 0;
};
static_assert(sizeof(FrameHeader) == 40);

}  // namespace rankpool::wire
