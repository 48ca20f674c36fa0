#pragma once

#include "base/ids.hpp"
#include "schedule/linked_list.hpp"
#include "schedule/look_ahead.hpp"
#include "schedule/scheduler.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace rankpool::schedule {

class Pool;

/// Items that a worker holds: one chunk, or several of the caller's that were handed over together. The first `ended`
/// of them have ended.
struct Chunk {
  ChunkId id{};
  WorkId work{};
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t ended = 0;
  std::uint32_t batched = 1;  ///< chunks
};

/// The chunks of one worker, in the order in which it works on them. Up to four are held in place, as many as a worker
/// has unless tasks are tiny; then room for all that may ever be is made, once.
class ChunkRing {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] Chunk& operator[](std::size_t i) noexcept { return data()[(first_ + i) & mask()]; }
  [[nodiscard]] Chunk& front() noexcept { return (*this)[0]; }
  /// At most LookAhead::kMostHeld of them.
  void push_back(const Chunk& chunk) {
    if (size_ == kInPlace && !many_) spill();
    ++size_;
    (*this)[size_ - 1U] = chunk;
  }
  void pop_front() noexcept {
    first_ = static_cast<std::uint8_t>((first_ + 1U) & mask());
    --size_;
  }
  void erase(std::size_t i) noexcept {
    for (; i + 1 < size_; ++i) (*this)[i] = (*this)[i + 1];
    --size_;
  }
  void clear() noexcept { size_ = 0; }

 private:
  static constexpr std::size_t kInPlace = 4;
  static constexpr std::size_t kMany = LookAhead::kMostHeld;
  static_assert((kMany & (kMany - 1)) == 0);

  [[nodiscard]] Chunk* data() noexcept { return many_ ? many_.get() : few_.data(); }
  [[nodiscard]] std::size_t mask() const noexcept { return (many_ ? kMany : kInPlace) - 1; }
  void spill() {
    auto many = std::make_unique<Chunk[]>(kMany);
    for (std::size_t i = 0; i < size_; ++i) many[i] = (*this)[i];
    many_ = std::move(many);
    first_ = 0;
  }

  std::uint8_t first_ = 0;
  std::uint8_t size_ = 0;
  std::unique_ptr<Chunk[]> many_;
  std::array<Chunk, kInPlace> few_{};
};

///     starting ──► ready ──► stopping ──► gone
///         └───────────┴─────────┴──► killed ──► gone
enum class WorkerState : std::uint8_t {
  starting,
  ready,
  stopping,  ///< holds nothing, and has been told to end
  killed,    ///< holds nothing; only its end still counts
};

/// Whether a worker may be given chunks, or its place is a group's.
enum class Placing : std::uint8_t {
  own,
  kept,  ///< it is idle and its place is kept for a group that waits for more of them
  lent,  ///< a process of a group runs in its place
};

struct Worker {
  Worker(WorkerId worker_id, Pool& of, Rank on) : id(worker_id), rank(on), pool(&of) {}

  WorkerId id;
  Rank rank;
  Pool* pool;
  WorkerState state = WorkerState::starting;
  bool returned = false;      ///< a chunk since it was idle
  std::uint8_t level = 0;     ///< the number of chunks by which `among_equals` is linked
  bool counted_busy = false;  ///< in its rank's count (ReadyWorkers)
  Placing placing = Placing::own;
  std::uint32_t chunks_given = 0;  ///< in its life
  std::uint64_t memory = 0;        ///< promised on its node to the first of its chunks
  std::uint32_t member = 0;        ///< its place in the pool's list
  Time runs_out{0};                ///< of the item that it is at, while `by_deadline` is linked
  Time had_last{0};                ///< when it was through with a chunk
  ListHook<Worker> among_equals;   ///< of the ready workers with as many chunks (ReadyWorkers)
  ListHook<Worker> by_deadline;    ///< of the workers whose item has a time limit
  ChunkRing chunks;                ///< the first is the one it works on
};

}  // namespace rankpool::schedule
