// Tasks of several ranks: when they begin, what they wait for, and what becomes of them.
#include "desk.hpp"

namespace rankpool::schedule::testing {
namespace {

class Groups : public Desk {
 protected:
  static constexpr GroupId kFirst{0};

  /// Opens the pool on nodes with so many workers each, and lets them come up.
  void open_nodes(PoolPolicy policy, const std::vector<int>& workers_of_nodes) {
    policy.max_workers = 0;
    for (std::size_t i = 0; i < workers_of_nodes.size(); ++i) {
      scheduler.rank_joined(Rank{static_cast<std::int32_t>(i)}, workers_of_nodes[i]);
      policy.max_workers += workers_of_nodes[i];
    }
    start(policy);
  }
  void submit_group(std::uint64_t number, std::uint32_t ranks, std::uint64_t items = 1) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = 1;
    spec.ranks = ranks;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  std::vector<std::uint64_t> begun() {
    std::vector<std::uint64_t> works;
    for (const auto& start : take_all<StartGroup>()) works.push_back(raw(start.work));
    return works;
  }
};

TEST_F(Groups, a_group_begins_where_all_its_places_are_free) {
  open(workers(3));
  submit_group(0, 2);
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_EQ(starts[0].ranks, (std::vector<Rank>{Rank{0}, Rank{0}}));
  EXPECT_EQ(starts[0].first_worker, worker(3));
  submit_group(1, 2);
  EXPECT_THAT(take(), IsEmpty());  // one place is left
  scheduler.group_item_ended(kFirst);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
  scheduler.group_ended(kFirst, LossId::none);
  EXPECT_THAT(begun(), ElementsAre(1U));
}

TEST_F(Groups, its_places_take_no_other_work) {
  open(workers(2));
  submit_group(0, 2);
  take();
  submit(1);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_FALSE(scheduler.next_idle(kPool));
  scheduler.group_ended(kFirst, kLoss);  // breaks the pool
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss},
                                                 FailItems{work(1), 0, 1, Reason::pool_broken, kLoss}));
}

TEST_F(Groups, the_processes_stand_node_by_node) {
  open_nodes(workers(0), {2, 1, 2});
  submit_group(0, 2);
  submit_group(1, 2);
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[0].ranks, (std::vector<Rank>{Rank{0}, Rank{0}}));
  EXPECT_EQ(starts[1].ranks, (std::vector<Rank>{Rank{2}, Rank{2}}));
  scheduler.group_item_ended(GroupId{0});
  scheduler.group_item_ended(GroupId{1});
  scheduler.group_ended(GroupId{0}, LossId::none);
  scheduler.group_ended(GroupId{1}, LossId::none);
  submit_group(2, 4);
  const auto large = take_all<StartGroup>();
  ASSERT_EQ(large.size(), 1U);
  EXPECT_EQ(large[0].ranks, (std::vector<Rank>{Rank{0}, Rank{0}, Rank{2}, Rank{2}}));
}

TEST_F(Groups, several_ranks_on_one_node_lend_places_together) {
  for (const std::int32_t rank : {0, 1, 2}) scheduler.rank_joined(Rank{rank}, 1, NodeId{0});
  start(workers(3));
  submit_group(0, 3);
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_EQ(starts[0].ranks, (std::vector<Rank>{Rank{0}, Rank{1}, Rank{2}}));
}

TEST_F(Groups, small_ones_do_not_overtake_a_large_one_for_ever) {
  open(workers(3));
  submit_group(0, 2);
  EXPECT_THAT(begun(), ElementsAre(0U));
  submit_group(1, 3);
  for (std::uint64_t number = 2; number < 40; ++number) submit(number, 1);
  // A stream of tasks runs in the third place, while the first group keeps the others.
  int tasks = 0;
  for (const auto& chunk : take_all<SendChunk>()) {
    EXPECT_EQ(chunk.worker, worker(2));
    ++tasks;
  }
  EXPECT_EQ(tasks, 1);
  scheduler.group_item_ended(kFirst);
  scheduler.group_ended(kFirst, LossId::none);
  finish(2);
  for (int round = 0; round < 20; ++round) {
    const auto actions = take();
    if (actions.empty()) break;
    for (const Action& action : actions) {
      if (std::get_if<StartGroup>(&action) != nullptr) return;  // the large one has begun
      if (const auto* chunk = std::get_if<SendChunk>(&action)) {
        ++tasks;
        scheduler.items_ended(chunk->worker, 1);
        scheduler.chunk_done(chunk->worker, kShortTask);
      }
    }
    EXPECT_LE(tasks, 10);
  }
  FAIL() << "the large group has not begun after " << tasks << " tasks";
}

TEST_F(Groups, a_smaller_one_behind_takes_the_places_that_are_too_few_for_the_first) {
  open(workers(4));
  submit_group(0, 3);
  submit_group(1, 3);
  submit_group(2, 1);
  EXPECT_THAT(begun(), ElementsAre(0U, 2U));
}

TEST_F(Groups, tasks_that_came_before_it_go_before_it) {
  open(workers(2));
  for (std::uint64_t number = 0; number < 6; ++number) submit(number);
  submit_group(6, 1);
  std::vector<std::uint64_t> order;
  for (int round = 0; round < 20; ++round) {
    for (const Action& action : take()) {
      if (const auto* start = std::get_if<StartGroup>(&action)) order.push_back(raw(start->work));
      if (const auto* chunk = std::get_if<SendChunk>(&action)) {
        order.push_back(raw(chunk->work));
        scheduler.items_ended(chunk->worker, 1);
        scheduler.chunk_done(chunk->worker, kLongTask);
      }
    }
  }
  EXPECT_THAT(order, ElementsAre(0U, 1U, 2U, 3U, 4U, 5U, 6U));
}

TEST_F(Groups, a_map_of_groups_runs_as_many_as_fit) {
  open(workers(5));
  submit_group(0, 2, 3);
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 2U);
  EXPECT_EQ(starts[0].item, 0U);
  EXPECT_EQ(starts[1].item, 1U);
  scheduler.group_item_ended(GroupId{1});
  scheduler.group_ended(GroupId{1}, LossId::none);
  const auto third = take_all<StartGroup>();
  ASSERT_EQ(third.size(), 1U);
  EXPECT_EQ(third[0].item, 2U);
}

TEST_F(Groups, a_lost_group_is_tried_again_and_then_fails) {
  open(replacing(2, 1));
  submit_group(0, 2);
  take();
  scheduler.group_ended(GroupId{0}, kLoss);
  const auto again = take();
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again[0], Action(RetryItem{work(0), 0, kLoss}));
  EXPECT_EQ(std::get<StartGroup>(again[1]).work, work(0));
  scheduler.group_ended(GroupId{1}, LossId{8});
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, LossId{8}}, WorkEnded{work(0)}));
  submit_group(1, 2);
  EXPECT_THAT(begun(), ElementsAre(1U));  // the places are free again
}

TEST_F(Groups, the_retries_of_the_task_go_before_those_of_the_pool) {
  open(replacing(1, 5));
  WorkSpec spec;
  spec.ranks = 1;
  spec.max_retries = 0;
  scheduler.work_submitted(kPool, work(0), spec);
  take();
  scheduler.group_ended(GroupId{0}, kLoss);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss}, WorkEnded{work(0)}));
}

TEST_F(Groups, one_that_runs_too_long_is_ended) {
  open(limited(2, Nanoseconds{100}));
  submit_group(0, 2);
  take();
  scheduler.tick(Time{1'000});
  EXPECT_THAT(take(), IsEmpty());  // it has not begun
  scheduler.group_began(kFirst);
  ASSERT_TRUE(scheduler.next_deadline());
  scheduler.tick(Time{1'100});
  EXPECT_THAT(take(), IsEmpty());
  scheduler.tick(*scheduler.next_deadline() + Nanoseconds{1'000});
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::task_timeout, LossId::none}, WorkEnded{work(0)},
                                  KillGroup{kFirst, SIGKILL}));
  EXPECT_FALSE(scheduler.next_deadline());
  submit_group(1, 2);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.group_ended(kFirst, kLoss);
  EXPECT_THAT(begun(), ElementsAre(1U));
}

TEST_F(Groups, a_waiting_one_can_be_cancelled_and_a_running_one_cannot) {
  open(workers(2));
  submit_group(0, 2);
  submit_group(1, 2);
  take();
  scheduler.work_cancelled(work(1));
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(1), 0, 1}, WorkEnded{work(1)}));
  scheduler.work_cancelled(work(0));
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(Groups, stopping_ends_running_ones_and_cancels_waiting_ones) {
  open(workers(2));
  submit_group(0, 2);
  submit_group(1, 1, 3);
  take();
  scheduler.pool_stopped(kPool, SIGTERM);
  const auto actions = take();
  EXPECT_THAT(actions, ::testing::Contains(Action(FailItems{work(0), 0, 1, Reason::forced_stop, LossId::none})));
  EXPECT_THAT(actions, ::testing::Contains(Action(CancelItems{work(1), 0, 3})));
  EXPECT_THAT(actions, ::testing::Contains(Action(KillGroup{kFirst, SIGTERM})));
  scheduler.tick(Time{2'000'000'000});
  EXPECT_THAT(take(), ::testing::Contains(Action(KillGroup{kFirst, SIGKILL})));
  scheduler.worker_ended(worker(0), kLoss, false);
  scheduler.worker_ended(worker(1), kLoss, false);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.group_ended(kFirst, kLoss);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Groups, a_closed_pool_finishes_those_that_wait) {
  open(workers(2));
  submit_group(0, 2, 2);
  EXPECT_THAT(begun(), ElementsAre(0U));
  scheduler.pool_closed(kPool);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.group_item_ended(GroupId{0});
  scheduler.group_ended(GroupId{0}, LossId::none);
  EXPECT_THAT(begun(), ElementsAre(0U));
  scheduler.group_item_ended(GroupId{1});
  scheduler.group_ended(GroupId{1}, LossId::none);
  EXPECT_EQ(take_all<StopWorker>().size(), 2U);
}

TEST_F(Groups, a_lender_that_dies_is_replaced_when_the_group_has_ended) {
  open(replacing(2));
  submit_group(0, 2);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.group_item_ended(kFirst);
  scheduler.group_ended(kFirst, LossId::none);
  EXPECT_EQ(take_all<StartWorker>().size(), 1U);
}

TEST_F(Groups, one_that_no_longer_fits_what_the_losses_left_fails) {
  open_nodes(replacing(0), {1, 1, 1});
  submit_group(0, 1);
  submit_group(1, 3);
  EXPECT_THAT(begun(), ElementsAre(0U));
  scheduler.rank_lost(Rank{2}, kLoss);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(1), 0, 1, Reason::no_places, LossId::none}, WorkEnded{work(1)}));
}

TEST_F(Groups, a_rank_that_is_lost_takes_its_groups_with_it) {
  open_nodes(workers(0), {1, 1});
  submit_group(0, 2);
  take();
  scheduler.rank_lost(Rank{1}, kLoss);
  const auto actions = take();
  EXPECT_THAT(actions, ::testing::Contains(Action(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss})));
  EXPECT_THAT(actions, ::testing::Contains(Action(KillGroup{kFirst, SIGKILL})));
}

TEST_F(Groups, where_a_node_lacks_what_they_need_only_they_fail) {
  open(workers(1));
  submit_group(0, 1);
  take();
  scheduler.group_cannot_start(kFirst, kLoss);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::cannot_start, kLoss}, WorkEnded{work(0)}));
  scheduler.group_ended(kFirst, kLoss);
  submit(1);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

}  // namespace
}  // namespace rankpool::schedule::testing
