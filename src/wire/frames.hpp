#pragma once

#include "base/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

/// Frames: what passes between rank 0's engine and a worker process, in either direction. An agent between the two
/// relays the bytes without reading them. The format is told in PROTOCOL.md.
namespace rankpool::wire {

/// Raised with every change of a frame or message.
inline constexpr std::uint16_t kVersion = 11;
inline constexpr std::uint16_t kFrameMagic = 0x5250;  // "PR" in memory on little-endian machines

enum class FrameKind : std::uint8_t {
  // engine to worker
  init = 1,  ///< payload: number, rank and host of the worker, then the encoded initializer; its first frame
  chunk,     ///< ChunkHeader; payload: code reference and callable, then the encoded items
  stop,      ///< end after this
  reply,     ///< CallHeader, side stream: answer to that request; payload: see shared.hpp
  forget,    ///< CallHeader, side stream: the shared object of that number is gone
  // worker to engine
  ready,        ///< the initializer has run
  init_failed,  ///< payload: encoded exception
  began,        ///< OutcomeHeader: item `first` has begun (only with FrameFlag::announce)
  values,       ///< OutcomeHeader: results of fixed size
  value,        ///< OutcomeHeader: one encoded result
  error,        ///< OutcomeHeader: one encoded exception
  skipped,      ///< OutcomeHeader: items that had failed before they were sent
  request,      ///< CallHeader, side stream: shared state; number 0 if it wants no reply; payload: see shared.hpp
  // tasks of several ranks (group.hpp)
  serve_group,  ///< engine to worker: be the nursery of a group from now on; payload: GroupPlan
  join_group,   ///< engine to worker: become an MPI process; payload: its environment
  nursery,      ///< NurseryHeader, both ways
  // of whoever runs tasks
  times,   ///< OutcomeHeader: when the first of the items began and each ended, by the worker's clock in nanoseconds
  memory,  ///< MemoryHeader: how much of it the worker's process has
  name,    ///< engine to worker: what the task of the next chunk is called, as its user has it; payload: text
  // on no wire
  dropped,  ///< what a FrameReader makes of a frame for which there is no memory
};

enum class FrameFlag : std::uint8_t {
  none = 0,
  last = 1,           ///< worker to engine: the chunk is done
  announce = 2,       ///< engine to worker, on `chunk`: send `began` for each item and publish each outcome at once
  announce_only = 4,  ///< likewise, but what the item returns is not wanted: `skipped` stands for it
  timed = 8,          ///< engine to worker, on `chunk`: send `times` of all items
  memory = 16,        ///< engine to worker, on `chunk`: send `memory` now and then
};

constexpr FrameFlag operator|(FrameFlag a, FrameFlag b) noexcept {
  return FrameFlag(static_cast<std::uint8_t>(static_cast<unsigned>(a) | static_cast<unsigned>(b)));
}
constexpr bool has(FrameFlag flags, FrameFlag flag) noexcept {
  return (static_cast<unsigned>(flags) & static_cast<unsigned>(flag)) != 0;
}

/// Stands before every payload. Native byte order: all ranks run the same build. What the three numbers without a
/// meaning of their own are depends on the kind: frame_headers.hpp has a type with names for each, and only this folder
/// reads them without it.
struct FrameHeader {
  std::uint16_t magic = kFrameMagic;
  FrameKind kind{};
  FrameFlag flags = FrameFlag::none;
  std::uint32_t count = 0;
  std::uint64_t number = 0;
  std::uint64_t length = 0;  ///< bytes of payload that follow
  std::uint64_t extra = 0;
  std::uint64_t first = 0;

  FrameHeader() = default;
  /// One that is known by its kind alone.
  explicit FrameHeader(FrameKind its_kind, std::size_t size = 0) : kind(its_kind), length(size) {}
};
static_assert(sizeof(FrameHeader) == 40);

}  // namespace rankpool::wire
