#pragma once

#include "base/ids.hpp"
#include "base/paged_table.hpp"
#include "schedule/backlog.hpp"
#include "schedule/look_ahead.hpp"
#include "schedule/node_memory.hpp"
#include "schedule/place_queue.hpp"
#include "schedule/places.hpp"
#include "schedule/ranks.hpp"
#include "schedule/ready_workers.hpp"
#include "schedule/scheduler.hpp"
#include "schedule/work_table.hpp"
#include "schedule/worker.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace rankpool::schedule {

/// What all pools of a scheduler share.
struct Common {
  Ranks ranks;
  WorkTable works;
  NodeMemory memory;
  base::PagedTable<std::unique_ptr<Worker>> workers;
  std::map<GroupId, PoolId> groups;  ///< that have processes
  std::vector<Action> actions;
  Time now{0};
  std::uint32_t next_group = 0;
  std::uint32_t next_worker = 0;
  std::uint64_t next_chunk = 0;
  std::vector<PoolId> dirty;            ///< pools to be brought to rest before the next actions are taken
  std::vector<PoolId> short_of_memory;  ///< pools to be looked at again once memory is given back
};

/// One pool: its policy, its workers and its backlog. Every event ends in `update`, which brings the pool to rest:
/// workers are started where some are missing, chunks handed out, the pool ended if nothing is left of it.
///
///     open ──► closed ──► (over)
///       └─────────┴─► broken, stopped ──► (over)
class Pool {
 public:
  Pool(PoolId id, const PoolPolicy& policy, Common& common);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  [[nodiscard]] PoolId id() const noexcept { return id_; }
  /// PoolEnded was said: to be forgotten.
  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] int workers_alive() const noexcept;
  [[nodiscard]] std::optional<Time> next_deadline() const noexcept;
  [[nodiscard]] std::optional<WorkerId> next_idle() const noexcept;
  void tick();

  void open();
  void close();
  void seal();
  void cancel();
  void stop(int signal);

  void submitted(WorkId work, const WorkSpec& spec);
  void extended(WorkId work, std::uint64_t more);
  void sealed(WorkId work);
  void cancelled(WorkId work);

  // A worker that has ended is gone when these return.
  void rank_joined();
  void rank_lost(Rank rank, LossId loss);
  void ready(Worker& worker);
  void failed_to_start(Worker& worker, LossId loss);
  void initializer_failed(Worker& worker, LossId loss);
  void item_began(Worker& worker);
  void items_ended(Worker& worker, std::uint32_t count);
  void chunk_done(Worker& worker, Nanoseconds busy);
  void chunk_declined(Worker& worker, ChunkId chunk);
  void ended(Worker& worker, LossId loss, bool inside_item);

  void group_began(GroupId group);
  void group_item_ended(GroupId group);
  void group_declined(GroupId group);
  void group_initializer_failed(LossId loss);
  void group_cannot_start(GroupId group, LossId loss);
  // It is gone when this returns.
  void group_ended(GroupId group, LossId loss);

  /// Brings it to rest.
  void update();

 private:
  enum class Phase : std::uint8_t { open, closed, broken, stopped };
  /// How items end that have no outcome; without a reason they are cancelled.
  struct Ending {
    std::optional<Reason> reason;
    LossId loss = LossId::none;
  };
  using ItemKey = std::pair<WorkId, std::uint64_t>;
  /// What an item has behind it whose workers were lost.
  struct Tried {
    int times = 0;
    std::vector<NodeId> on;
  };
  /// An item that waits for a worker of another node than these.
  struct Elsewhere {
    Range item;
    std::vector<NodeId> avoid;
  };
  /// Memory that the first in line needs on a node.
  struct Claim {
    NodeId node{};
    std::uint64_t bytes = 0;
  };
  /// A group that has processes. They run in the places of workers, which rest meanwhile.
  struct Group {
    WorkId work{};
    std::uint64_t item = 0;
    std::vector<Worker*> lenders;
    std::vector<Rank> ranks;
    int vacant = 0;  ///< places of lenders that have ended meanwhile, and are replaced afterwards
    bool item_ended = false;
    std::uint64_t memory = 0;  ///< promised to each process
    std::optional<Time> runs_out;
  };

  // pool.cpp: works, and who gets what
  void feed();
  enum class Takers : std::uint8_t {
    any,   ///< whoever is idle
    few,   ///< those that are at work, be others idle
    none,  ///< who falls idle of those that are at work
  };
  /// Where workers share cores, a work's first items go to a few of them, and all of it if it is little, since to wake
  /// all costs more than short items are worth. Not for long: they may be long, or wait for each other.
  [[nodiscard]] Takers takers(Crew crew);
  [[nodiscard]] Worker* worker_for_next();
  void hand(Worker& worker, const Range& range);
  /// Whether chunks may be handed over together. Not where each counts by itself.
  [[nodiscard]] bool joins_chunks() const noexcept {
    return policy_.max_chunks_per_worker == 0 && policy_.task_timeout <= Nanoseconds{0};
  }
  [[nodiscard]] Crew crew() const noexcept;
  [[nodiscard]] ChunkSize next_size() const;
  [[nodiscard]] std::optional<Range> next_chunk();
  [[nodiscard]] bool worn_out(const Worker& worker) const noexcept {
    return policy_.max_chunks_per_worker > 0 &&
           worker.chunks_given >= static_cast<std::uint32_t>(policy_.max_chunks_per_worker);
  }
  void chunk_left(Worker& worker);
  void items_updated(WorkId work, std::uint64_t count);
  void end_work(WorkId work);
  void end_items(const Range& range, const Ending& how);
  void end_backlog(const Ending& how);
  void seal_all_open();
  [[nodiscard]] bool is_cancelled(WorkId work);
  void rest_later();
  /// Items that were handed out and have not ended are to be handed out again.
  void give_back(const Range& range);

  // pool_places.cpp: what waits for several places at once, or for memory
  void serve_waiting();
  void serve_behind_first();
  void fail_if_too_large();
  [[nodiscard]] std::vector<NodePlaces> places(const PlaceQueue::Next& next) const;
  [[nodiscard]] std::vector<NodePlaces> places_behind(const PlaceQueue::Next& next) const;
  [[nodiscard]] bool never_fits(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places) const;
  [[nodiscard]] bool begin(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places);
  [[nodiscard]] bool begin_items(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places);
  void wait_on(const PlaceQueue::Next& first, const std::vector<NodePlaces>& places);
  [[nodiscard]] bool lacks_memory() const;
  void keep_places(const std::vector<NodeId>& nodes);
  void give_up_kept_places();
  [[nodiscard]] bool waited_for(const Worker& worker) const;
  [[nodiscard]] bool reserved(const Worker& worker) const;
  void overtake_waiting(const Worker& worker);
  void release_memory(Rank rank, std::uint64_t bytes);
  void release_memory(Worker& worker);

  // pool_groups.cpp: those that have processes
  void start_group(const PlaceQueue::Next& next, const std::vector<NodeShare>& shares);
  void take_back_place(Worker& worker, bool to_be_replaced);
  void give_places_back(const Group& group);
  void end_group_item(Group& group, const Ending& how);
  void kill_groups(int signal);
  [[nodiscard]] int vacant_places() const noexcept;
  [[nodiscard]] std::optional<Time> next_group_limit() const noexcept;
  void tick_groups();
  [[nodiscard]] int retries_of(WorkId work);
  /// Zero for none.
  [[nodiscard]] Nanoseconds time_limit_of(WorkId work);

  // pool_elsewhere.cpp: items that are not to run where they have failed
  [[nodiscard]] bool has_other_nodes(const std::vector<NodeId>& than) const;
  /// The nodes on which an item is not to be run, as far as there are others.
  [[nodiscard]] std::vector<NodeId> nodes_to_avoid(WorkId work, std::vector<NodeId> failed_on) const;
  void run_elsewhere(const Range& item, std::vector<NodeId> failed_on);
  void feed_elsewhere();
  void hand_to_idle_elsewhere();
  void hand_to_busy_elsewhere();
  void withdraw_elsewhere(WorkId work, std::vector<Range>& to);

  // pool_workers.cpp: their lives
  [[nodiscard]] int count(WorkerState state) const noexcept { return counts_[static_cast<std::size_t>(state)]; }
  [[nodiscard]] int alive() const noexcept;
  [[nodiscard]] bool takes_chunks() const noexcept { return phase_ == Phase::open || phase_ == Phase::closed; }
  void start(Rank rank);
  [[nodiscard]] bool lacks_workers() const noexcept;
  void start_missing();
  void replace_on(Rank rank);
  void stop_gently(Worker& worker);
  void kill(Worker& worker, int signal);
  void kill_all(int signal);
  void change(Worker& worker, WorkerState to);
  void forget(Worker& worker);
  void stop_timer(Worker& worker);
  void timed_out(Worker& worker);
  void take_back(Worker& worker, bool inside, const Ending& item_inside);
  void lost(Worker& worker, LossId loss, bool inside);
  /// `lost`: groups that are lost with it.
  void break_up(Breakage why, LossId loss, const std::vector<Worker*>& inside, const std::vector<GroupId>& lost = {});

  const PoolId id_;
  const PoolPolicy policy_;
  Common& common_;

  Phase phase_ = Phase::open;
  bool over_ = false;
  bool cancelled_ = false;  ///< works that come now were cancelled on their way
  bool sealed_ = false;     ///< no work is extended any more
  LossId loss_ = LossId::none;

  Backlog backlog_;
  PlaceQueue queue_;
  std::map<GroupId, Group> groups_;  ///< groups that have processes
  std::vector<NodeId> waiting_on_;   ///< where the first in line waits for places
  std::vector<Claim> claims_;        ///< what it needs there
  std::vector<Worker*> kept_;        ///< whose places are kept for it
  std::uint64_t works_ = 0;          ///< that have not ended
  std::deque<Elsewhere> elsewhere_;
  std::map<ItemKey, Tried> retries_;  ///< of items that were tried before, and only of these
  LookAhead look_ahead_;
  std::optional<Time> all_from_;  ///< when it ceases to feel its way; none: it does not
  bool dirty_ = false;            ///< among `Common::dirty`

  std::vector<Worker*> members_;  ///< all whose process has not ended
  std::array<int, 4> counts_{};   ///< of `members_`, by state
  std::vector<int> on_rank_;      ///< of `members_` but for the killed ones
  ReadyWorkers ready_;
  int wanted_ = 0;           ///< workers; fewer than the policy says where they cannot be had
  int failed_in_a_row_ = 0;  ///< workers that ended before they were ready, none having become so meanwhile
  LinkedList<Worker, &Worker::by_deadline> timed_;  ///< whose item runs out first is first
  std::optional<Time> patience_ends_;               ///< when those that ignore a signal get SIGKILL
};

}  // namespace rankpool::schedule
