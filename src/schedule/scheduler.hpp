#pragma once

#include "base/ids.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

namespace rankpool::schedule {

using Nanoseconds = std::chrono::nanoseconds;
/// Time as the caller counts it; only differences matter.
using Time = Nanoseconds;

/// Facts about a loss that only the engine knows (host, pid, signal): the scheduler hands the number back.
enum class LossId : std::uint32_t { none = 0 };

/// What a pool does with its workers. Every facade is the same scheduler with another policy.
struct PoolPolicy {
  int max_workers = 1;
  /// False: the loss of a worker breaks the pool. True: the worker is replaced and the rest goes on.
  bool replace_lost_workers = false;
  /// With replacement: how often an item that was lost with its worker is tried again.
  int max_retries = 0;
  /// A worker is replaced after this many chunks; 0 for never.
  int max_chunks_per_worker = 0;
  /// An item that runs longer ends with `Reason::task_timeout` and its worker is killed; zero for no limit.
  Nanoseconds task_timeout{0};
};

struct WorkSpec {
  std::uint64_t items = 1;
  /// More items may follow (`work_extended`) until `work_sealed`.
  bool open = false;
  /// Items for each chunk; 0: the scheduler chooses and adapts.
  std::uint32_t chunk = 0;
  /// Upper limit of a chunk that the scheduler chooses (large items make large messages).
  std::uint32_t max_chunk = 1U << 16U;
  /// Not 0: each item is run by so many fresh processes together, a group, and takes as many workers' places.
  std::uint32_t ranks = 0;
  /// Of what waits the highest goes first.
  int priority = 0;
  /// In place of the pool's.
  std::optional<int> max_retries = std::nullopt;
  std::optional<Nanoseconds> task_timeout = std::nullopt;
  /// Bytes that an item needs while it runs, of a group each process; 0: not told. They are promised to it on its node
  /// from when it is handed out until it has ended, or its process is gone.
  std::uint64_t memory = 0;
  /// Ranks on whose nodes a single item is run only while no other node has a worker of the pool; null for none.
  std::shared_ptr<const std::vector<Rank>> avoid = nullptr;
};

/// Why items ended without an outcome.
enum class Reason : std::uint8_t {
  worker_lost,   ///< this very item was running on the worker that was lost (TerminatedWorkerError)
  pool_broken,   ///< pending or running when the pool broke (BrokenProcessPool)
  forced_stop,   ///< running when the pool was stopped by force (BrokenProcessPool, "forcefully shut down")
  task_timeout,  ///< ran past the limit (TaskTimeoutError)
  cannot_start,  ///< a group for which a node lacks something (Error)
  no_memory,     ///< needs more memory than any node has on which the pool has workers (Error)
  no_places,     ///< a group that is larger than what the losses have left of the pool (BrokenProcessPool)
};

/// Why a pool broke.
enum class Breakage : std::uint8_t { worker_lost, rank_lost, initializer_failed, no_workers_start };

// Actions: what the engine is to do, in this order.
struct StartWorker {
  WorkerId worker;
  PoolId pool;
  Rank rank;
  bool operator==(const StartWorker&) const = default;
};
/// Let the worker end by itself after what it was sent. It ends by `worker_ended`.
struct StopWorker {
  WorkerId worker;
  bool operator==(const StopWorker&) const = default;
};
/// End the worker now. It is no longer counted on: what it still sends is to be ignored.
struct KillWorker {
  WorkerId worker;
  int signal;
  bool operator==(const KillWorker&) const = default;
};
struct SendChunk {
  WorkerId worker;
  ChunkId chunk;
  WorkId work;
  std::uint64_t first;
  std::uint32_t count;
  bool operator==(const SendChunk&) const = default;
};
/// The item was running on a worker that was lost, and will be handed out again.
struct RetryItem {
  WorkId work;
  std::uint64_t item;
  LossId loss;
  bool operator==(const RetryItem&) const = default;
};
/// These items have failed. Where the end of an open work is not known, `first` + `count` is the largest number there
/// is: whatever is appended behind `first` has failed as well. So with CancelItems.
struct FailItems {
  WorkId work;
  std::uint64_t first;
  std::uint64_t count;
  Reason reason;
  LossId loss;
  bool operator==(const FailItems&) const = default;
};
/// These items had not begun and never will.
struct CancelItems {
  WorkId work;
  std::uint64_t first;
  std::uint64_t count;
  bool operator==(const CancelItems&) const = default;
};
/// Every item of the work has ended and it is sealed: its id is forgotten.
struct WorkEnded {
  WorkId work;
  bool operator==(const WorkEnded&) const = default;
};
/// The pool is broken from now on. Comes before the FailItems that follow from it.
struct PoolBroken {
  PoolId pool;
  Breakage why;
  LossId loss;
  bool operator==(const PoolBroken&) const = default;
};
/// The pool was closed, broken or stopped, no work is left and no worker process of it is alive. Comes once.
struct PoolEnded {
  PoolId pool;
  bool operator==(const PoolEnded&) const = default;
};

/// Run the item in fresh processes, one on each of `ranks`, which stand node by node. It ends by `group_ended`.
struct StartGroup {
  GroupId group;
  PoolId pool;
  ChunkId chunk;
  WorkId work;
  std::uint64_t item;
  std::vector<Rank> ranks;
  /// Twice as many ids as processes are the group's, beginning here: for these, and for what else it needs on the
  /// nodes.
  WorkerId first_worker;
  bool operator==(const StartGroup&) const = default;
};
/// End all its processes now. What they still send is to be ignored.
struct KillGroup {
  GroupId group;
  int signal;
  bool operator==(const KillGroup&) const = default;
};

using Action = std::variant<SendChunk, StartWorker, StopWorker, KillWorker, RetryItem, FailItems, CancelItems,
                            WorkEnded, PoolBroken, PoolEnded, StartGroup, KillGroup>;

/// The chunk that a worker is at, whose outcomes come next.
struct CurrentChunk {
  ChunkId chunk;
  WorkId work;
  std::uint64_t first;
  std::uint32_t count;
  std::uint32_t ended;  ///< the first so many of its items have
};

/// Decides which worker runs which items, and what becomes of the rest when something dies.
///
/// A pure state machine: events in, actions out. It knows no MPI, no clock, no thread and no payload, only ids, counts
/// and times. Events that name something already forgotten (a late message of a lost worker, say) are ignored. One
/// thread.
class Scheduler {
 public:
  Scheduler();
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // -- the job
  /// A rank can hold `capacity` workers (at least 1) before it counts as full. Rank 0 is announced like any other.
  void rank_joined(Rank rank, int capacity) { rank_joined(rank, capacity, NodeId{static_cast<std::uint32_t>(rank)}); }
  /// `memory`: bytes that the job may use on its node; 0: not known, whatever is asked for fits.
  void rank_joined(Rank rank, int capacity, NodeId node, std::uint64_t memory = 0);
  void rank_lost(Rank rank, LossId loss);
  /// All nodes have so many cores together. Never said: a core for each worker.
  void cores_changed(int cores);
  /// Time passes; limits that have run out take effect. Also the time of the events up to the next tick.
  void tick(Time now);
  /// When `tick` is to be called next if nothing else happens before, or nothing.
  [[nodiscard]] std::optional<Time> next_deadline() const;

  // -- pools
  /// Starts the pool's workers: in turn over the ranks beginning with rank 0, each up to its capacity as far as other
  /// workers of the same pool go; beyond the job's capacity in turn again.
  void pool_opened(PoolId pool, PoolPolicy policy);
  /// Submitted work is finished, then the workers stop.
  void pool_closed(PoolId pool);
  /// Nothing is appended to the pool's open works any more: what might have followed is cancelled. To be said when
  /// somebody waits for a closed pool to end, who may well be the one to append.
  void pool_sealed(PoolId pool);
  /// All that has not begun is cancelled, and open works are sealed (of a closed pool, so are works that are still
  /// under way to it). The pool stays as it is.
  void pool_cancelled(PoolId pool);
  /// Workers end now, by `signal`; not begun items are cancelled, running ones fail with forced_stop. Those that
  /// outlive another signal than SIGKILL by a second get SIGKILL. May be said again with another signal.
  void pool_stopped(PoolId pool, int signal);
  [[nodiscard]] int workers_alive(PoolId pool) const;

  // -- work
  void work_submitted(PoolId pool, WorkId work, WorkSpec spec);
  void work_extended(WorkId work, std::uint64_t more);
  void work_sealed(WorkId work);
  /// Cancels what has not begun, and seals.
  void work_cancelled(WorkId work);

  // -- workers
  /// The process runs, has run its initializer and takes chunks.
  void worker_ready(WorkerId worker);
  /// The process could not be started at all.
  void worker_failed_to_start(WorkerId worker, LossId loss);
  void initializer_failed(WorkerId worker, LossId loss);
  /// The next item of the worker's current chunk has begun (told only if the pool has a task timeout).
  void item_began(WorkerId worker);
  /// So many further items of the worker's current chunk have ended with an outcome.
  void items_ended(WorkerId worker, std::uint32_t count);
  /// The worker is through with its current chunk, having worked on it for `busy`.
  void chunk_done(WorkerId worker, Nanoseconds busy);
  /// The chunk that was just sent was not: its single item had been cancelled by its owner (ResultReceiver::begin said
  /// so).
  void chunk_declined(WorkerId worker, ChunkId chunk);
  /// The process is gone. `inside_item`: it was running the next item of its current chunk.
  void worker_ended(WorkerId worker, LossId loss, bool inside_item);

  // -- groups
  /// The item has begun in all processes, or in the first of them: its time counts from now.
  void group_began(GroupId group);
  /// The item has ended with an outcome; the processes are still there.
  void group_item_ended(GroupId group);
  /// The item of the group that was just started had been cancelled by its owner: nothing was started.
  void group_declined(GroupId group);
  void group_initializer_failed(GroupId group, LossId loss);
  /// A node lacks what groups need. The processes are to be ended by the engine itself.
  void group_cannot_start(GroupId group, LossId loss);
  /// None of its processes is left. `loss`: what it died of, if its item has not ended.
  void group_ended(GroupId group, LossId loss);

  /// What the worker is at; nothing if it holds nothing.
  [[nodiscard]] std::optional<CurrentChunk> current_chunk(WorkerId worker) const noexcept;
  /// False for a worker that was killed or told to stop, or has ended: it holds nothing, and what it says is ignored.
  [[nodiscard]] bool counts_on(WorkerId worker) const noexcept;

  /// The idle worker that will be given a single item if it is submitted now, which has then no other consequence; if
  /// there is such a one.
  [[nodiscard]] std::optional<WorkerId> next_idle(PoolId pool) const;

  /// These are about to end items. What is known of many thousand workers is in no cache: it is fetched for all of them
  /// at once, and not one by one as each is dealt with.
  void prefetch(std::span<const WorkerId> workers) const noexcept;

  /// Appends the actions that have come up, in order, to `to`.
  void take_actions(std::vector<Action>& to);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::schedule
