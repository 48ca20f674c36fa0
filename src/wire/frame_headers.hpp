#pragma once

#include "wire/frames.hpp"
#include "wire/group.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>

/// The header of a frame, with the names that its numbers have in frames of one kind.
namespace rankpool::wire {

/// FrameKind::chunk
struct ChunkHeader {
  std::uint64_t chunk = 0;  ///< ChunkId
  std::uint32_t items = 0;
  FrameFlag flags = FrameFlag::none;
  std::uint64_t head = 0;  ///< bytes of code reference and callable, which stand before the items
  /// Finished results may be held back for so long, if that is more than the worker would anyway.
  std::chrono::nanoseconds hold_back{0};

  [[nodiscard]] FrameHeader frame(std::size_t size) const {
    FrameHeader header(FrameKind::chunk, size);
    header.flags = flags;
    header.count = items;
    header.number = chunk;
    header.extra = head;
    header.first = static_cast<std::uint64_t>(hold_back.count());
    return header;
  }
  static ChunkHeader of(const FrameHeader& header) {
    return {header.number, header.count, header.flags, header.extra,
            std::chrono::nanoseconds(static_cast<std::int64_t>(header.first))};
  }
};

/// FrameKind::began, values, value, error, skipped, times, and dropped in place of one of them
struct OutcomeHeader {
  FrameKind kind{};
  std::uint64_t chunk = 0;  ///< ChunkId
  std::uint64_t first = 0;  ///< item within the chunk, from 0
  std::uint32_t items = 0;
  bool last = false;                 ///< the chunk is done
  std::chrono::nanoseconds busy{0};  ///< time spent on the chunk, in its last frame
  std::size_t size = 0;              ///< bytes of payload

  [[nodiscard]] FrameHeader frame() const {
    FrameHeader header(kind, size);
    header.flags = last ? FrameFlag::last : FrameFlag::none;
    header.count = items;
    header.number = chunk;
    header.extra = static_cast<std::uint64_t>(busy.count());
    header.first = first;
    return header;
  }
  static OutcomeHeader of(const FrameHeader& header) {
    return {header.kind,
            header.number,
            header.first,
            header.count,
            header.flags == FrameFlag::last,
            std::chrono::nanoseconds(static_cast<std::int64_t>(header.extra)),
            static_cast<std::size_t>(header.length)};
  }
};

/// FrameKind::memory
struct MemoryHeader {
  std::uint64_t resident = 0;  ///< bytes
  std::uint64_t peak = 0;      ///< the most that was ever resident

  [[nodiscard]] FrameHeader frame() const {
    FrameHeader header(FrameKind::memory);
    header.number = resident;
    header.extra = peak;
    return header;
  }
  static MemoryHeader of(const FrameHeader& header) { return {header.number, header.extra}; }
  bool operator==(const MemoryHeader&) const = default;
};

/// FrameKind::request, reply, forget
struct CallHeader {
  FrameKind kind{};
  std::uint64_t number = 0;  ///< of the request, or of the object

  [[nodiscard]] FrameHeader frame(std::size_t size) const {
    FrameHeader header(kind, size);
    header.number = number;
    return header;
  }
  static CallHeader of(const FrameHeader& header) { return {header.kind, header.number}; }
};

/// FrameKind::nursery. Which of its numbers a word has is told at NurseryWord.
struct NurseryHeader {
  NurseryWord word{};
  std::uint64_t number = 0;  ///< of the fence or the question
  std::uint64_t rank = 0;    ///< of the group
  std::uint64_t node = 0;    ///< of the group
  int status = 0;            ///< of MPI_Abort

  [[nodiscard]] FrameHeader frame(std::size_t size) const {
    FrameHeader header(FrameKind::nursery, size);
    header.count = static_cast<std::uint32_t>(word);
    header.number = number;
    header.first = rank;
    header.extra = word == NurseryWord::aborted ? static_cast<std::uint64_t>(status) : node;
    return header;
  }
  static NurseryHeader of(const FrameHeader& header) {
    const auto word = static_cast<NurseryWord>(header.count);
    const bool aborted = word == NurseryWord::aborted;
    return {word, header.number, header.first, aborted ? 0 : header.extra,
            aborted ? static_cast<int>(static_cast<std::int64_t>(header.extra)) : 0};
  }
};

}  // namespace rankpool::wire
