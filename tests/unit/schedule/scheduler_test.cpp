#include "schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <deque>
#include <map>
#include <random>
#include <set>

namespace rankpool::schedule {
namespace {

constexpr PoolId kPool{1};
constexpr WorkId kWork{1};

/// A scheduler with its actions by kind.
struct World {
  Scheduler scheduler;
  std::vector<Action> actions;
  template <class A>
  std::vector<A> take() {
    actions.clear();
    scheduler.take_actions(actions);
    return of<A>();
  }
  template <class A>
  std::vector<A> of() const {
    std::vector<A> found;
    for (const auto& action : actions) {
      if (const auto* one = std::get_if<A>(&action)) found.push_back(*one);
    }
    return found;
  }
  /// Opens a pool of ready workers.
  std::vector<WorkerId> open(PoolPolicy policy, int ranks = 1, int capacity = 2) {
    for (int rank = 0; rank < ranks; ++rank) scheduler.rank_joined(Rank{rank}, capacity);
    scheduler.pool_opened(kPool, policy);
    std::vector<WorkerId> workers;
    for (const auto& start : take<StartWorker>()) {
      workers.push_back(start.worker);
      scheduler.worker_ready(start.worker);
    }
    return workers;
  }
};

TEST(Scheduler, workers_are_spread_over_the_ranks_in_turn_from_rank_0) {
  World world;
  for (int rank = 0; rank < 3; ++rank) world.scheduler.rank_joined(Rank{rank}, rank == 1 ? 1 : 2);
  world.scheduler.pool_opened(kPool, {.max_workers = 5});
  std::map<int, int> per_rank;
  const auto started = world.take<StartWorker>();
  EXPECT_EQ(started.front().rank, Rank{0});
  for (const auto& start : started) ++per_rank[raw(start.rank)];
  EXPECT_THAT(per_rank, ::testing::ElementsAre(std::pair(0, 2), std::pair(1, 1), std::pair(2, 2)));
}

TEST(Scheduler, more_workers_than_capacity_are_allowed) {
  World world;
  EXPECT_EQ(world.open({.max_workers = 6}, 1, 2).size(), 6U);
}

TEST(Scheduler, an_idle_worker_gets_work_before_another_gets_a_second_piece) {  // SUB-38
  World world;
  world.open({.max_workers = 4});
  for (std::uint64_t i = 1; i <= 4; ++i) world.scheduler.work_submitted(kPool, WorkId{i}, {});
  std::set<std::uint32_t> busy;
  for (const auto& send : world.take<SendChunk>()) busy.insert(raw(send.worker));
  EXPECT_EQ(busy.size(), 4U);
}

TEST(Scheduler, at_most_two_chunks_are_handed_ahead_unless_they_are_very_short) {
  for (const auto& [busy, most] : {std::pair(Nanoseconds(2'000'000), 3U), std::pair(Nanoseconds(100), 64U)}) {
    World world;
    const auto worker = world.open({.max_workers = 1}).front();
    for (std::uint64_t i = 1; i <= 200; ++i) world.scheduler.work_submitted(kPool, WorkId{i}, {});
    std::size_t outstanding = world.take<SendChunk>().size();
    std::size_t seen = outstanding;
    for (int i = 0; i < 50; ++i) {
      world.scheduler.items_ended(worker, 1);
      world.scheduler.chunk_done(worker, busy);
      outstanding += world.take<SendChunk>().size() - 1;
      seen = std::max(seen, outstanding);
    }
    EXPECT_LE(seen, most);
    EXPECT_GE(seen, most == 3U ? 2U : 10U);
  }
}

TEST(Scheduler, an_explicit_chunk_is_kept) {  // MAP-03
  World world;
  const auto worker = world.open({.max_workers = 1}).front();
  world.scheduler.work_submitted(kPool, kWork, {.items = 40, .chunk = 6});
  std::vector<std::uint32_t> counts;
  for (std::vector<SendChunk> sent = world.take<SendChunk>(); !sent.empty(); sent = world.take<SendChunk>()) {
    for (const auto& send : sent) {
      counts.push_back(send.count);
      world.scheduler.items_ended(worker, send.count);
      world.scheduler.chunk_done(worker, Nanoseconds(1'000'000));
    }
  }
  EXPECT_THAT(counts, ::testing::ElementsAre(6, 6, 6, 6, 6, 6, 4));
}

TEST(Scheduler, a_lost_worker_breaks_the_pool_before_any_item_is_told) {  // BRK-01, BRK-02, BRK-10
  World world;
  const auto workers = world.open({.max_workers = 2});
  for (std::uint64_t i = 1; i <= 5; ++i) world.scheduler.work_submitted(kPool, WorkId{i}, {});
  const auto sent = world.take<SendChunk>();
  world.scheduler.worker_ended(sent.front().worker, LossId{7}, true);
  const auto broken = world.take<PoolBroken>();
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0], (PoolBroken{kPool, Breakage::worker_lost, LossId{7}}));
  EXPECT_TRUE(std::holds_alternative<PoolBroken>(world.actions.front()));
  std::map<Reason, std::uint64_t> failed;
  for (const auto& fail : world.of<FailItems>()) failed[fail.reason] += fail.count;
  EXPECT_EQ(failed[Reason::worker_lost], 1U);
  EXPECT_EQ(failed[Reason::pool_broken], 4U);
  EXPECT_EQ(world.of<KillWorker>().size(), 1U);
  EXPECT_EQ(world.scheduler.workers_alive(kPool), 0);
  world.scheduler.worker_ended(world.of<KillWorker>()[0].worker, LossId{8}, true);
  EXPECT_EQ(world.take<PoolEnded>().size(), 1U);
}

TEST(Scheduler, an_idle_workers_end_breaks_the_pool_too) {  // DLK-23
  World world;
  const auto workers = world.open({.max_workers = 2});
  world.scheduler.worker_ended(workers[0], LossId{1}, false);
  EXPECT_EQ(world.take<PoolBroken>().size(), 1U);
}

TEST(Scheduler, with_replacement_only_the_running_item_is_lost_after_its_retries) {
  World world;
  auto worker = world.open({.max_workers = 1, .replace_lost_workers = true, .max_retries = 2}).front();
  world.scheduler.work_submitted(kPool, kWork, {.items = 10, .chunk = 10});
  ASSERT_EQ(world.take<SendChunk>().size(), 1U);
  world.scheduler.items_ended(worker, 4);  // items 0 to 3 are done, 4 kills its worker
  for (int death = 0; death < 3; ++death) {
    world.scheduler.worker_ended(worker, LossId{1}, true);
    const auto started = world.take<StartWorker>();
    ASSERT_EQ(started.size(), 1U);
    const auto failed = world.of<FailItems>();
    EXPECT_EQ(failed.size(), death == 2 ? 1U : 0U);
    if (death == 2) {
      EXPECT_EQ(failed[0], (FailItems{kWork, 4, 1, Reason::worker_lost, LossId{1}}));
    }
    worker = started[0].worker;
    world.scheduler.worker_ready(worker);
    const auto sent = world.take<SendChunk>();
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent[0].first, death == 2 ? 5U : 4U);
    if (death < 2) {
      EXPECT_EQ(sent[0].count, 1U);  // alone: it hurts no other
    }
  }
}

TEST(Scheduler, a_worker_gets_no_more_chunks_than_its_life_allows) {  // MTC-01, MTC-03, MTC-13
  World world;
  auto worker = world.open({.max_workers = 1, .max_chunks_per_worker = 2}).front();
  for (std::uint64_t i = 1; i <= 6; ++i) world.scheduler.work_submitted(kPool, WorkId{i}, {});
  int done = 0;
  for (int life = 0; life < 3; ++life) {
    int chunks = 0;
    bool stopped = false;
    while (!stopped) {
      const auto sent = world.take<SendChunk>();
      stopped = !world.of<StopWorker>().empty();
      for (const auto& send : sent) {
        EXPECT_EQ(send.worker, worker);
        world.scheduler.items_ended(worker, 1);
        world.scheduler.chunk_done(worker, Nanoseconds(1'000'000));
        ++chunks;
        ++done;
      }
    }
    EXPECT_EQ(chunks, 2);
    world.scheduler.worker_ended(worker, LossId::none, false);
    const auto started = world.take<StartWorker>();
    ASSERT_EQ(started.size(), 1U);
    EXPECT_TRUE(world.of<PoolBroken>().empty());
    worker = started[0].worker;
    world.scheduler.worker_ready(worker);
  }
  EXPECT_EQ(done, 6);
}

TEST(Scheduler, an_overdue_item_fails_and_its_worker_is_replaced) {
  World world;
  const auto worker = world.open({.max_workers = 1, .task_timeout = Nanoseconds(100)}).front();
  world.scheduler.work_submitted(kPool, kWork, {.items = 3, .chunk = 3});
  world.take<SendChunk>();
  world.scheduler.tick(Time(1000));
  world.scheduler.item_began(worker);
  EXPECT_EQ(world.scheduler.next_deadline(), Time(1100));
  world.scheduler.tick(Time(1050));
  EXPECT_TRUE(world.take<FailItems>().empty());
  world.scheduler.tick(Time(1200));
  const auto failed = world.take<FailItems>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].reason, Reason::task_timeout);
  EXPECT_EQ(world.of<KillWorker>().size(), 1U);
  EXPECT_EQ(world.of<StartWorker>().size(), 1U);
  EXPECT_TRUE(world.of<PoolBroken>().empty());
}

TEST(Scheduler, a_failed_initializer_breaks_every_kind_of_pool) {  // INI-07, INI-14
  for (const bool replace : {false, true}) {
    World world;
    world.scheduler.rank_joined(Rank{0}, 2);
    world.scheduler.pool_opened(kPool, {.max_workers = 2, .replace_lost_workers = replace});
    const auto started = world.take<StartWorker>();
    world.scheduler.worker_ready(started[0].worker);
    world.scheduler.initializer_failed(started[1].worker, LossId{3});
    const auto broken = world.take<PoolBroken>();
    ASSERT_EQ(broken.size(), 1U);
    EXPECT_EQ(broken[0].why, Breakage::initializer_failed);
  }
}

TEST(Scheduler, workers_that_never_start_break_the_pool_in_the_end) {  // MTC-10
  World world;
  world.scheduler.rank_joined(Rank{0}, 1);
  world.scheduler.pool_opened(kPool, {.max_workers = 1, .replace_lost_workers = true});
  world.scheduler.work_submitted(kPool, kWork, {});
  int tries = 0;
  for (auto started = world.take<StartWorker>(); !started.empty(); started = world.take<StartWorker>()) {
    ++tries;
    ASSERT_LT(tries, 10);
    world.scheduler.worker_failed_to_start(started[0].worker, LossId{2});
  }
  EXPECT_EQ(world.of<PoolBroken>().size(), 1U);
  EXPECT_EQ(world.of<FailItems>().size(), 1U);
}

// -- a simulated world: random pools, work, deaths and orders; every item must end exactly once

class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {}

  void run() {
    ranks_ = 1 + pick(3);
    for (unsigned rank = 0; rank < ranks_; ++rank)
      scheduler_.rank_joined(Rank{static_cast<int>(rank)}, 1 + static_cast<int>(pick(3)));
    policy_.max_workers = 1 + static_cast<int>(pick(4));
    policy_.replace_lost_workers = pick(2) == 0;
    policy_.max_retries = static_cast<int>(pick(3));
    policy_.max_chunks_per_worker = pick(3) == 0 ? 1 + static_cast<int>(pick(3)) : 0;
    if (pick(4) == 0) policy_.task_timeout = Nanoseconds(50);
    scheduler_.pool_opened(kPool, policy_);
    take();
    for (int step = 0; step < 300; ++step) {
      scheduler_.tick(Time(++now_));
      event();
      take();
      if (::testing::Test::HasFatalFailure()) return;
    }
    for (auto& [id, work] : works_) {
      if (work.open) scheduler_.work_sealed(id);
      work.open = false;
    }
    take();
    if (!closed_) scheduler_.pool_closed(kPool);
    take();
    for (int step = 0; !ended_ && step < 200'000; ++step) {
      ASSERT_FALSE(workers_.empty()) << "nobody is left to do the work";
      calm_event();
      take();
      if (::testing::Test::HasFatalFailure()) return;
    }
    ASSERT_TRUE(ended_) << "the pool never ended";
    for (auto& [id, work] : works_) {
      ASSERT_TRUE(work.told_ended) << raw(id);
      for (std::uint64_t item = 0; item < work.items; ++item) ASSERT_EQ(work.ends[item], 1) << raw(id) << "/" << item;
    }
  }

 private:
  struct Chunk {
    ChunkId id{};
    WorkId work{};
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t ended = 0;
  };
  struct Worker {
    Rank rank{};
    bool ready = false;
    bool stopping = false;
    bool killed = false;
    std::deque<Chunk> chunks;
    int chunks_given = 0;
  };
  struct Work {
    std::uint64_t items = 0;
    bool open = false;
    bool told_ended = false;
    std::map<std::uint64_t, int> ends;
  };

  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  void end(WorkId work, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_LT(first + i, works_[work].items);
      ASSERT_EQ(++works_[work].ends[first + i], 1) << "item " << first + i << " ended twice";
    }
  }
  void take() {
    actions_.clear();
    scheduler_.take_actions(actions_);
    for (const auto& action : actions_) {
      std::visit([&](const auto& a) { on(a); }, action);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
  void on(const StartWorker& a) {
    ASSERT_FALSE(lost_ranks_.contains(raw(a.rank)));
    workers_[a.worker].rank = a.rank;
  }
  void on(const StopWorker& a) {
    ASSERT_TRUE(workers_.contains(a.worker));
    workers_[a.worker].stopping = true;
  }
  void on(const KillWorker& a) {
    ASSERT_TRUE(workers_.contains(a.worker));
    workers_[a.worker].killed = true;
    workers_[a.worker].chunks.clear();
  }
  void on(const SendChunk& a) {
    ASSERT_TRUE(workers_.contains(a.worker));
    Worker& worker = workers_[a.worker];
    ASSERT_TRUE(worker.ready && !worker.stopping && !worker.killed);
    ASSERT_FALSE(broken_);
    worker.chunks.push_back({a.chunk, a.work, a.first, a.count, 0});
    if (policy_.max_chunks_per_worker > 0) {
      ASSERT_LE(++worker.chunks_given, policy_.max_chunks_per_worker);
    }
    ASSERT_GT(a.count, 0U);
    for (std::uint32_t i = 0; i < a.count; ++i)
      ASSERT_EQ(works_[a.work].ends[a.first + i], 0) << "an ended item was sent";
  }
  void on(const FailItems& a) { end(a.work, a.first, a.count); }
  void on(const CancelItems& a) { end(a.work, a.first, a.count); }
  void on(const WorkEnded& a) {
    ASSERT_FALSE(works_[a.work].told_ended);
    works_[a.work].told_ended = true;
  }
  void on(const PoolBroken&) {
    ASSERT_FALSE(broken_);
    broken_ = true;
  }
  void on(const PoolEnded&) {
    ASSERT_FALSE(ended_);
    ASSERT_TRUE(workers_.empty()) << "the pool ended before its workers";
    ended_ = true;
  }

  WorkerId any_worker() {
    auto it = workers_.begin();
    std::advance(it, static_cast<long>(pick(static_cast<unsigned>(workers_.size()))));
    return it->first;
  }
  void event() {
    switch (pick(12)) {
      case 0:
      case 1: {
        if (closed_ || ended_) return;
        const WorkId id{next_work_++};
        Work& work = works_[id];
        work.items = pick(5) == 0 ? 1 : pick(40);
        work.open = pick(4) == 0;
        scheduler_.work_submitted(kPool, id,
                                  {.items = work.items, .open = work.open, .chunk = pick(2) == 0 ? 0 : 1 + pick(7)});
        return;
      }
      case 2: {
        for (auto& [id, work] : works_) {
          if (!work.open) continue;
          if (pick(3) == 0) {
            work.open = false;
            scheduler_.work_sealed(id);
          } else {
            const std::uint64_t more = 1 + pick(5);
            work.items += more;
            scheduler_.work_extended(id, more);
          }
          return;
        }
        return;
      }
      case 3:
        if (!works_.empty() && pick(4) == 0) {
          auto it = works_.begin();
          std::advance(it, static_cast<long>(pick(static_cast<unsigned>(works_.size()))));
          it->second.open = false;
          scheduler_.work_cancelled(it->first);
        }
        return;
      case 4:
        if (!workers_.empty() && pick(3) == 0) die(any_worker(), pick(2) == 0);
        return;
      case 5:
        if (pick(40) == 0 && ranks_ > 1) lose_rank(Rank{static_cast<int>(1 + pick(ranks_ - 1))});
        return;
      case 6:
        if (pick(60) == 0) {
          closed_ = true;
          scheduler_.pool_closed(kPool);
        } else if (pick(60) == 0) {
          scheduler_.pool_cancelled(kPool);
        } else if (pick(80) == 0) {
          closed_ = broken_ = true;  // nothing may be sent any more
          scheduler_.pool_stopped(kPool, SIGTERM);
        }
        return;
      default:
        calm_event();
    }
  }
  void calm_event() {
    if (workers_.empty()) return;
    const WorkerId id = any_worker();
    Worker& worker = workers_[id];
    if (worker.killed) return die(id, false);
    if (!worker.ready) {
      worker.ready = true;
      scheduler_.worker_ready(id);
      return;
    }
    if (worker.chunks.empty()) {
      if (worker.stopping) die(id, false);
      return;
    }
    Chunk& chunk = worker.chunks.front();
    if (chunk.ended < chunk.count) {
      if (policy_.task_timeout.count() > 0) scheduler_.item_began(id);
      const std::uint32_t part = 1 + pick(chunk.count - chunk.ended);
      end(chunk.work, chunk.first + chunk.ended, part);
      chunk.ended += part;
      scheduler_.items_ended(id, part);
    } else {
      worker.chunks.pop_front();
      scheduler_.chunk_done(id, Nanoseconds(static_cast<std::int64_t>(std::uint64_t{1} << pick(30))));
    }
  }
  void die(WorkerId id, bool inside) {
    Worker& worker = workers_[id];
    const bool can_be_inside = !worker.chunks.empty() && worker.chunks.front().ended < worker.chunks.front().count;
    workers_.erase(id);
    scheduler_.worker_ended(id, LossId{1}, inside && can_be_inside);
  }
  void lose_rank(Rank rank) {
    if (!lost_ranks_.insert(raw(rank)).second) return;
    std::erase_if(workers_, [&](const auto& entry) { return entry.second.rank == rank; });
    scheduler_.rank_lost(rank, LossId{2});
  }

  std::mt19937 random_;
  Scheduler scheduler_;
  PoolPolicy policy_;
  unsigned ranks_ = 1;
  std::int64_t now_ = 0;
  std::uint64_t next_work_ = 1;
  std::map<WorkId, Work> works_;
  std::map<WorkerId, Worker> workers_;
  std::set<int> lost_ranks_;
  std::vector<Action> actions_;
  bool closed_ = false;
  bool broken_ = false;
  bool ended_ = false;
};

TEST(SimulatedWorld, every_item_ends_exactly_once_whatever_happens) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run();
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace rankpool::schedule
