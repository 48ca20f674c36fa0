// How works and pools end: cancelled, closed, stopped.
#include "desk.hpp"

#include <limits>

namespace rankpool::schedule::testing {
namespace {

constexpr std::uint64_t kNoEnd = std::numeric_limits<std::uint64_t>::max();

using Cancelling = Desk;

TEST_F(Cancelling, what_was_not_handed_out_is_cancelled_and_the_rest_goes_on) {  // MAP-13, MAP-14, SHU-20
  open(workers(1));
  submit(0, 10);
  take();
  scheduler.work_cancelled(work(0));
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(0), 1, 9}));
  finish(0);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
}

TEST_F(Cancelling, a_work_that_waits_behind_others_is_cancelled_at_once) {  // FUT-23
  open(workers(1));
  for (std::uint64_t i = 0; i < 4; ++i) submit(i);
  take();
  scheduler.work_cancelled(work(2));
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(2), 0, 1}, WorkEnded{work(2)}));
  finish(0, 1, kLongTask);
  take();
  finish(0, 1, kLongTask);
  EXPECT_EQ(take_all<SendChunk>().back().work, work(3));
}

TEST_F(Cancelling, cancelling_the_pool_leaves_what_runs_and_takes_new_work) {  // SHU-19, SHU-23
  open(workers(1));
  for (std::uint64_t i = 0; i < 3; ++i) submit(i);
  take();
  scheduler.pool_cancelled(kPool);
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(1), 0, 1}, WorkEnded{work(1)}, CancelItems{work(2), 0, 1},
                                  WorkEnded{work(2)}));
  submit(3);
  finish(0, 1, kLongTask);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}, SendChunk{worker(0), ChunkId{1}, work(3), 0, 1}));
}

TEST_F(Cancelling, cancelling_the_pool_seals_its_open_works) {
  open(workers(1));
  submit_open(0, 3);
  take();
  scheduler.pool_cancelled(kPool);
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(0), 3, kNoEnd - 3}, CancelItems{work(0), 1, 2}));
  scheduler.work_extended(work(0), 5);
  finish(0);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
}

using Closing = Desk;

TEST_F(Closing, work_is_finished_before_the_workers_stop) {  // SHU-06, SHU-11, SHU-16
  open(workers(1));
  submit(0);
  submit(1);
  scheduler.pool_closed(kPool);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  finish(0, 1, kLongTask);
  take();
  finish(0, 1, kLongTask);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(1)}, StopWorker{worker(0)}));
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
  EXPECT_EQ(scheduler.workers_alive(kPool), 0);
}

TEST_F(Closing, workers_that_are_still_coming_up_are_stopped_too) {  // SHU-10
  scheduler.rank_joined(Rank{0}, 2);
  scheduler.pool_opened(kPool, workers(2));
  take();
  scheduler.pool_closed(kPool);
  EXPECT_THAT(take(), ElementsAre(StopWorker{worker(0)}, StopWorker{worker(1)}));
  scheduler.worker_ready(worker(0));
  scheduler.worker_ended(worker(0), kLoss, false);
  scheduler.worker_ended(worker(1), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Closing, work_that_was_under_way_is_still_done) {
  open(workers(1));
  scheduler.pool_closed(kPool);
  take();
  submit(0);
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(StartWorker{worker(1), kPool, Rank{0}}));
  scheduler.worker_ready(worker(1));
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

TEST_F(Closing, work_that_was_under_way_to_a_cancelled_pool_is_cancelled) {  // SHU-17
  open(workers(1));
  scheduler.pool_closed(kPool);
  scheduler.pool_cancelled(kPool);
  take();
  submit(0, 3);
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(0), 0, 3}, WorkEnded{work(0)}));
}

TEST_F(Closing, work_for_a_pool_that_has_ended_is_cancelled) {
  submit_open(0, 3);
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(0), 0, kNoEnd}, WorkEnded{work(0)}));
}

TEST_F(Closing, a_closed_pool_waits_for_its_open_works) {
  open(workers(1));
  submit_open(0, 1);
  scheduler.pool_closed(kPool);
  take();
  finish(0);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.work_extended(work(0), 1);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  finish(0);
  scheduler.work_sealed(work(0));
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}, StopWorker{worker(0)}));
}

TEST_F(Closing, a_sealed_pool_ends_though_its_open_works_were_left_half_read) {
  open(workers(1));
  submit_open(0, 1);
  scheduler.pool_closed(kPool);
  scheduler.pool_sealed(kPool);
  take();
  finish(0);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}, StopWorker{worker(0)}));
}

TEST_F(Closing, a_repeated_close_changes_nothing) {  // SHU-18, SHU-21
  open(workers(1));
  for (int i = 0; i < 3; ++i) scheduler.pool_closed(kPool);
  EXPECT_THAT(take(), ElementsAre(StopWorker{worker(0)}));
}

TEST_F(Closing, a_stop_after_the_close_still_stops) {  // TKW-07
  open(workers(1));
  submit(0, 2, 1);
  scheduler.pool_closed(kPool);
  take();
  scheduler.pool_stopped(kPool, SIGKILL);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::forced_stop, LossId::none},
                                  CancelItems{work(0), 1, 1}, WorkEnded{work(0)}, KillWorker{worker(0), SIGKILL}));
}

using Stopping = Desk;

TEST_F(Stopping, running_items_are_broken_and_the_others_cancelled) {  // TKW-03, TKW-10
  open(workers(1));
  submit(0, 3, 2);
  take();
  scheduler.pool_stopped(kPool, SIGTERM);
  EXPECT_THAT(take(),
              ElementsAre(FailItems{work(0), 0, 1, Reason::forced_stop, LossId::none}, CancelItems{work(0), 1, 1},
                          CancelItems{work(0), 2, 1}, WorkEnded{work(0)}, KillWorker{worker(0), SIGTERM}));
  EXPECT_EQ(scheduler.workers_alive(kPool), 0);
  submit(1);
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(1), 0, 1}, WorkEnded{work(1)}));
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Stopping, it_may_come_before_any_worker_is_ready) {  // TKW-05
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.pool_opened(kPool, workers(1));
  take();
  scheduler.pool_stopped(kPool, SIGKILL);
  EXPECT_THAT(take(), ElementsAre(KillWorker{worker(0), SIGKILL}));
  scheduler.worker_ready(worker(0));
  scheduler.worker_failed_to_start(worker(0), kLoss);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Stopping, who_outlives_SIGTERM_by_a_second_gets_SIGKILL) {
  open(workers(2));
  scheduler.tick(Time{100});
  scheduler.pool_stopped(kPool, SIGTERM);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_EQ(scheduler.next_deadline(), Time{1'000'000'100});
  scheduler.tick(Time{1'000'000'099});
  EXPECT_THAT(take(), IsEmpty());
  scheduler.tick(Time{1'000'000'100});
  EXPECT_THAT(take(), ElementsAre(KillWorker{worker(1), SIGKILL}));
  EXPECT_EQ(scheduler.next_deadline(), std::nullopt);
}

TEST_F(Stopping, a_second_stop_takes_the_new_signal) {  // TKW-01
  open(workers(1));
  scheduler.pool_stopped(kPool, SIGTERM);
  take();
  scheduler.pool_stopped(kPool, SIGKILL);
  EXPECT_THAT(take(), ElementsAre(KillWorker{worker(0), SIGKILL}));
}

}  // namespace
}  // namespace rankpool::schedule::testing
