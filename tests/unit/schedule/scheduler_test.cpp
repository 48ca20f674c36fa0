#include "schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>
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
  ASSERT_TRUE(world.scheduler.next_deadline());
  EXPECT_GE(*world.scheduler.next_deadline(), Time(1100));
  EXPECT_LE(*world.scheduler.next_deadline(), Time(1110));
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

}  // namespace
}  // namespace rankpool::schedule
