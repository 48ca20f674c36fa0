// What becomes of the rest when something dies, or does not even start.
#include "desk.hpp"

namespace rankpool::schedule::testing {
namespace {

using Breaking = Desk;

// BRK-01, BRK-02, BRK-03, BRK-10, DLK-07, DLK-09
TEST_F(Breaking, the_loss_of_a_worker_breaks_everything_and_names_the_task_it_was_at) {
  open(workers(2));
  submit(0);
  submit(1);
  submit(2);
  take();
  scheduler.worker_ended(worker(1), kLoss, true);
  const auto actions = take();
  ASSERT_EQ(actions.size(), 8U);
  EXPECT_EQ(actions[0], Action(PoolBroken{kPool, Breakage::worker_lost, kLoss}));
  EXPECT_EQ(actions[7], Action(KillWorker{worker(0), SIGKILL}));
  std::vector<FailItems> failed;
  for (const Action& action : actions) {
    if (const auto* one = std::get_if<FailItems>(&action)) failed.push_back(*one);
  }
  EXPECT_THAT(failed, ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss},
                                  FailItems{work(1), 0, 1, Reason::pool_broken, kLoss},
                                  FailItems{work(2), 0, 1, Reason::pool_broken, kLoss}));
  EXPECT_EQ(scheduler.workers_alive(kPool), 0);
  scheduler.worker_ended(worker(0), LossId{8}, true);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Breaking, only_the_item_that_ran_is_named_of_a_chunk) {
  open(workers(1));
  submit(0, 5, 5);
  take();
  scheduler.items_ended(worker(0), 2);
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(
      take(),
      ElementsAre(PoolBroken{kPool, Breakage::worker_lost, kLoss}, FailItems{work(0), 2, 1, Reason::worker_lost, kLoss},
                  FailItems{work(0), 3, 2, Reason::pool_broken, kLoss}, WorkEnded{work(0)}, PoolEnded{kPool}));
}

TEST_F(Breaking, the_end_of_an_idle_worker_breaks_the_pool_too) {  // DLK-23, DLK-22
  open(workers(2));
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolBroken{kPool, Breakage::worker_lost, kLoss}, KillWorker{worker(1), SIGKILL}));
}

TEST_F(Breaking, the_end_of_a_worker_that_was_not_ready_breaks_the_pool_too) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.pool_opened(kPool, workers(1));
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolBroken{kPool, Breakage::worker_lost, kLoss}, PoolEnded{kPool}));
}

TEST_F(Breaking, work_that_was_under_way_fails_with_the_loss_that_broke_the_pool) {  // BRK-03
  open(workers(2));
  scheduler.worker_ended(worker(0), kLoss, false);
  take();
  submit(0, 4);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 4, Reason::pool_broken, kLoss}, WorkEnded{work(0)}));
}

TEST_F(Breaking, what_follows_in_open_works_has_failed_already) {
  open(workers(1));
  submit_open(0, 2);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  const auto failed = take_all<FailItems>();
  ASSERT_EQ(failed.size(), 3U);
  EXPECT_EQ(failed[1], (FailItems{work(0), 2, UINT64_MAX - 2, Reason::pool_broken, kLoss}));
}

TEST_F(Breaking, a_failed_initializer_breaks_the_pool_in_either_policy) {  // INI-07, INI-10, INI-14
  for (const bool replace : {false, true}) {
    Scheduler fresh;
    fresh.rank_joined(Rank{0}, 2);
    fresh.pool_opened(kPool, replace ? replacing(2) : workers(2));
    fresh.work_submitted(kPool, work(0), {});
    std::vector<Action> actions;
    fresh.take_actions(actions);
    fresh.initializer_failed(worker(1), kLoss);
    actions.clear();
    fresh.take_actions(actions);
    EXPECT_THAT(actions, ElementsAre(PoolBroken{kPool, Breakage::initializer_failed, kLoss},
                                     FailItems{work(0), 0, 1, Reason::pool_broken, kLoss}, WorkEnded{work(0)},
                                     KillWorker{worker(0), SIGKILL}, KillWorker{worker(1), SIGKILL}));
  }
}

TEST_F(Breaking, closing_a_broken_pool_says_nothing_more) {  // BRK-04, SHU-27
  open(workers(2));
  scheduler.worker_ended(worker(0), kLoss, false);
  take();
  scheduler.pool_closed(kPool);
  scheduler.pool_stopped(kPool, SIGTERM);  // TKW-04
  EXPECT_THAT(take(), IsEmpty());
  scheduler.worker_ended(worker(1), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

using Replacing = Desk;

TEST_F(Replacing, the_item_that_ran_fails_and_the_rest_goes_to_a_new_worker) {
  open(replacing(1));
  submit(0, 5, 5);
  submit(1);
  take();
  scheduler.items_ended(worker(0), 1);
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 1, 1, Reason::worker_lost, kLoss},
                                  StartWorker{worker(1), kPool, Rank{0}}));
  EXPECT_EQ(scheduler.workers_alive(kPool), 1);
  scheduler.worker_ready(worker(1));
  EXPECT_THAT(take(), ElementsAre(SendChunk{worker(1), ChunkId{1}, work(0), 2, 3}));
}

TEST_F(Replacing, what_had_not_begun_is_handed_out_again_without_a_retry) {
  open(replacing(1));
  submit(0, 3, 3);
  for (int life = 0; life < 5; ++life) {
    EXPECT_THAT(take_all<SendChunk>(), ElementsAre(::testing::Field(&SendChunk::count, 3U)));
    scheduler.worker_ended(worker(life), kLoss, false);
    EXPECT_THAT(take(), ElementsAre(StartWorker{worker(life + 1), kPool, Rank{0}}));
    scheduler.worker_ready(worker(life + 1));
  }
}

TEST_F(Replacing, a_task_that_kills_its_workers_is_tried_so_often_alone_and_then_fails) {
  open(replacing(1, 2));
  submit(0, 4, 4);
  take();
  scheduler.items_ended(worker(0), 1);
  for (int life = 0; life < 2; ++life) {
    scheduler.worker_ended(worker(life), kLoss, true);
    EXPECT_EQ(take_all<StartWorker>().size(), 1U);
    scheduler.worker_ready(worker(life + 1));
    const auto again = take_all<SendChunk>();
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].first, 1U);
    EXPECT_EQ(again[0].count, 1U);
  }
  scheduler.worker_ended(worker(2), kLoss, true);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 1, 1, Reason::worker_lost, kLoss},
                                  StartWorker{worker(3), kPool, Rank{0}}));
  scheduler.worker_ready(worker(3));
  EXPECT_THAT(take(), ElementsAre(SendChunk{worker(3), ChunkId{3}, work(0), 2, 2}));
}

TEST_F(Replacing, what_was_lost_goes_before_what_waits) {
  open(replacing(1));
  submit(0);
  submit(1);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  scheduler.worker_ready(worker(1));
  EXPECT_EQ(take_all<SendChunk>().at(0).work, work(0));
}

TEST_F(Replacing, late_words_of_a_lost_worker_are_ignored) {
  open(replacing(1));
  submit(0);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  take();
  finish(0);
  scheduler.worker_ready(worker(0));
  scheduler.item_began(worker(0));
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), IsEmpty());
}

TEST_F(Replacing, what_had_not_begun_of_a_cancelled_work_is_not_handed_out_again) {
  open(replacing(1, 1));
  submit(0, 3, 3);
  take();
  scheduler.work_cancelled(work(0));
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take_all<CancelItems>(), ElementsAre(CancelItems{work(0), 1, 2}));
  scheduler.worker_ready(worker(1));
  EXPECT_THAT(take(), ElementsAre(SendChunk{worker(1), ChunkId{1}, work(0), 0, 1}));
}

TEST_F(Replacing, a_replacement_goes_to_the_same_rank) {
  scheduler.rank_joined(Rank{0}, 2);
  scheduler.rank_joined(Rank{1}, 2);
  start(replacing(4));
  scheduler.worker_ended(worker(1), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(StartWorker{worker(4), kPool, Rank{1}}));
}

TEST_F(Replacing, workers_that_never_come_up_are_tried_three_times_more_and_then_the_pool_breaks) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.pool_opened(kPool, replacing(1));
  submit(0);
  take();
  for (int i = 0; i < 3; ++i) {
    scheduler.worker_ended(worker(i), kLoss, false);
    EXPECT_THAT(take(), ElementsAre(StartWorker{worker(i + 1), kPool, Rank{0}}));
  }
  scheduler.worker_ended(worker(3), kLoss, false);
  EXPECT_THAT(take(),
              ElementsAre(PoolBroken{kPool, Breakage::no_workers_start, kLoss},
                          FailItems{work(0), 0, 1, Reason::pool_broken, kLoss}, WorkEnded{work(0)}, PoolEnded{kPool}));
}

using Starting = Desk;

TEST_F(Starting, a_pool_lives_with_fewer_workers_where_more_cannot_be_started) {  // CTJ-11
  scheduler.rank_joined(Rank{0}, 2);
  scheduler.pool_opened(kPool, workers(2));
  take();
  scheduler.worker_ready(worker(0));
  for (int i = 1; i < 4; ++i) {
    scheduler.worker_failed_to_start(worker(i), kLoss);
    EXPECT_THAT(take(), ElementsAre(StartWorker{worker(i + 1), kPool, Rank{0}}));
  }
  scheduler.worker_failed_to_start(worker(4), kLoss);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(scheduler.workers_alive(kPool), 1);
  submit(0);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

TEST_F(Starting, a_pool_whose_last_worker_cannot_be_started_breaks) {  // MTC-10
  open(wearing(1, 1));
  submit(0);
  submit(1);
  take();
  finish(0);
  scheduler.worker_ended(worker(0), kLoss, false);
  take();
  scheduler.worker_failed_to_start(worker(1), LossId{9});
  EXPECT_THAT(take(), ElementsAre(PoolBroken{kPool, Breakage::no_workers_start, LossId{9}},
                                  FailItems{work(1), 0, 1, Reason::pool_broken, LossId{9}}, WorkEnded{work(1)},
                                  PoolEnded{kPool}));
}

class LosingRanks : public Desk {
 protected:
  void open_on_two_ranks(PoolPolicy policy) {
    scheduler.rank_joined(Rank{0}, 1);
    scheduler.rank_joined(Rank{1}, 1);
    start(policy);
  }
};

TEST_F(LosingRanks, the_pool_breaks_and_the_tasks_that_ran_there_are_named) {
  open_on_two_ranks(workers(2));
  submit(0, 2, 1);
  const auto chunks = take_all<SendChunk>();
  ASSERT_EQ(chunks.size(), 2U);
  const std::uint64_t there = chunks[0].worker == worker(1) ? chunks[0].first : chunks[1].first;
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(take(), ElementsAre(PoolBroken{kPool, Breakage::rank_lost, kLoss},
                                  FailItems{work(0), there, 1, Reason::worker_lost, kLoss},
                                  FailItems{work(0), 1 - there, 1, Reason::pool_broken, kLoss}, WorkEnded{work(0)},
                                  KillWorker{worker(0), SIGKILL}));
  scheduler.worker_ended(worker(1), kLoss, true);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(LosingRanks, with_replacement_the_rest_carries_on) {
  open_on_two_ranks(replacing(2, 1));
  submit(0);
  submit(1);
  take();
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(take(), ElementsAre(RetryItem{work(1), 0, kLoss}));
  EXPECT_EQ(scheduler.workers_alive(kPool), 1);
  finish(0);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

TEST_F(LosingRanks, with_replacement_a_pool_that_has_no_worker_left_gets_new_ones_elsewhere) {
  scheduler.rank_joined(Rank{1}, 2);
  start(replacing(2));
  submit(0);
  take();
  scheduler.rank_joined(Rank{0}, 4);
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss}, WorkEnded{work(0)},
                                  StartWorker{worker(2), kPool, Rank{0}}, StartWorker{worker(3), kPool, Rank{0}}));
}

TEST_F(LosingRanks, pools_that_were_not_there_notice_nothing) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.rank_joined(Rank{1}, 1);
  start(workers(1));
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(take(), IsEmpty());
  submit(0);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

}  // namespace
}  // namespace rankpool::schedule::testing
