#pragma once

#include "base/ids.hpp"
#include "schedule/scheduler.hpp"

#include <rankpool/detail/pool_client.hpp>

#include <sys/types.h>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

/// What happens to tasks and workers, as values: progress, insights, traces and job logs read the same stream.
///
/// The life of an item, where {} may be missing:
///
///     WorkSubmitted {WorkExtended} ── ChunkSent ── {ItemBegan} ──► ItemsEnded     by its worker
///                                       ▲   └── ItemRetried ─┐ └─► ItemsFailed    lost, timed out, or its pool broke
///                                       └────────────────────┘  └► ItemsCancelled
///
/// Items that a lost worker held and had not begun are just sent again: another ChunkSent names them. When all items of
/// a work have ended and none can follow, WorkEnded comes.
namespace rankpool::engine {

struct PoolOpened {
  PoolId pool{};
  int max_workers = 0;
};
struct PoolBroken {
  PoolId pool{};
  schedule::Breakage why{};
};
struct PoolEnded {
  PoolId pool{};
};
struct WorkSubmitted {
  PoolId pool{};
  WorkId work{};
  std::uint64_t items = 0;
  bool open = false;                         ///< more may follow, until WorkSealed
  const detail::WorkLabel* label = nullptr;  ///< names that the user gave, or null; valid during the call
};
struct WorkExtended {
  WorkId work{};
  std::uint64_t more = 0;
};
struct WorkSealed {
  WorkId work{};
};
struct WorkEnded {
  WorkId work{};
};
/// Handed to a worker, which begins it when it is through with what it was sent before.
struct ChunkSent {
  WorkerId worker{};
  ChunkId chunk{};
  WorkId work{};
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint64_t bytes = 0;
  /// Code reference and callable, which `codec::name_of_task` reads; valid during the call.
  std::span<const std::byte> head;
};
/// Only of pools with a `task_timeout`, whose workers tell.
struct ItemBegan {
  WorkerId worker{};
  WorkId work{};
  std::uint64_t item = 0;
};
/// With an outcome of their own.
struct ItemsEnded {
  enum class How : std::uint8_t { value, error, skipped };
  WorkerId worker{};
  ChunkId chunk{};
  WorkId work{};
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  How how{};
  std::uint64_t bytes = 0;  ///< of all of them
};
/// When items of a worker's current chunk began and ended, by its own clock: told after their ItemsEnded, of each item
/// if `wants_times`.
struct ItemTimes {
  WorkerId worker{};
  ChunkId chunk{};
  WorkId work{};
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::span<const std::byte> times;  ///< count + 1 numbers of 64 bits: nanoseconds; valid during the call
};
/// How much memory the worker's process has, in bytes: told now and then if `wants_times`.
struct WorkerMemory {
  WorkerId worker{};
  std::uint64_t resident = 0;
  std::uint64_t peak = 0;
};
/// The worker is through with the chunk and has spent `busy` on it, by its own clock.
struct ChunkDone {
  WorkerId worker{};
  ChunkId chunk{};
  std::chrono::nanoseconds busy{0};
};
/// The item was running on a worker that was lost, and is tried again.
struct ItemRetried {
  WorkId work{};
  std::uint64_t item = 0;
};
/// A `first + count` of UINT64_MAX means whatever might still have been appended, too; so with ItemsCancelled.
struct ItemsFailed {
  WorkId work{};
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  schedule::Reason reason{};
};
struct ItemsCancelled {
  WorkId work{};
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
/// Another process than the first of a task of several ranks has begun its part of the item.
struct RankBegan {
  WorkerId worker{};
  WorkId work{};
  std::uint64_t item = 0;
  std::uint32_t rank = 0;  ///< in the task
};
/// It is through with it. Not said if it goes without: WorkerGone is.
struct RankEnded {
  WorkerId worker{};
};
struct WorkerStarted {
  WorkerId worker{};
  PoolId pool{};
  Rank rank{};
};
/// It has run its initializer.
struct WorkerReady {
  WorkerId worker{};
  pid_t pid = 0;
};
/// The process has ended; `lost`: nobody had told it to.
struct WorkerGone {
  WorkerId worker{};
  bool lost = false;
};
struct RankJoined {
  Rank rank{};
  int workers = 0;
  std::string host;
};
/// And with it all its workers: WorkerGone is not said of these.
struct RankLost {
  Rank rank{};
};

using TaskEvent =
    std::variant<PoolOpened, PoolBroken, PoolEnded, WorkSubmitted, WorkExtended, WorkSealed, WorkEnded, ChunkSent,
                 ItemBegan, ItemsEnded, ItemTimes, WorkerMemory, ChunkDone, ItemRetried, ItemsFailed, ItemsCancelled,
                 RankBegan, RankEnded, WorkerStarted, WorkerReady, WorkerGone, RankJoined, RankLost>;

/// Who is told of events. Nobody is: no event is made.
class TaskEvents {
 public:
  virtual ~TaskEvents() = default;
  /// On the engine thread, or in a thread that does its work while it sleeps (Mailbox): one at a time, in the order in
  /// which things happened as the engine saw them. Must neither block nor throw. Events carry no time: whoever needs
  /// one reads the clock.
  virtual void tell(const TaskEvent& event) noexcept = 0;
  /// Whether workers are to take the time of each item, and to tell how much memory they have.
  [[nodiscard]] virtual bool wants_times() const noexcept { return false; }
};

}  // namespace rankpool::engine
