// Workers that do only so many chunks, and items that may take only so long.
#include "desk.hpp"

namespace rankpool::schedule::testing {
namespace {

using WearingOut = Desk;

TEST_F(WearingOut, a_worker_is_replaced_after_its_last_chunk) {  // MTC-01, MTC-13
  open(wearing(1, 2));
  submit(0, 8, 2);
  std::vector<std::uint32_t> by;
  for (int life = 0; life < 2; ++life) {
    for (int i = 0; i < 2; ++i) {
      for (const SendChunk& chunk : take_all<SendChunk>()) by.push_back(raw(chunk.worker));
      scheduler.items_ended(worker(life), 2);
      scheduler.chunk_done(worker(life), kLongTask);
    }
    EXPECT_EQ(take_all<StopWorker>(), (std::vector{StopWorker{worker(life)}}));
    EXPECT_EQ(scheduler.workers_alive(kPool), 1);
    scheduler.worker_ended(worker(life), kLoss, false);
    EXPECT_THAT(take(), ElementsAre(StartWorker{worker(life + 1), kPool, Rank{0}}));
    scheduler.worker_ready(worker(life + 1));
  }
  EXPECT_THAT(by, ElementsAre(0, 0, 1, 1));
}

TEST_F(WearingOut, an_open_pool_is_back_at_full_strength_though_nothing_waits) {  // MTC-11, BRK-09
  open(wearing(1, 1));
  submit(0);
  take();
  finish(0);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_EQ(take_all<StartWorker>().size(), 1U);
}

TEST_F(WearingOut, a_closed_pool_still_does_all_its_work) {  // MTC-03, MTC-05, MTC-06
  open(wearing(1, 1));
  for (std::uint64_t i = 0; i < 3; ++i) submit(i);
  scheduler.pool_closed(kPool);
  take();
  for (int life = 0; life < 2; ++life) {
    finish(life);
    take();
    scheduler.worker_ended(worker(life), kLoss, false);
    EXPECT_EQ(take_all<StartWorker>().size(), 1U);
    scheduler.worker_ready(worker(life + 1));
    EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  }
  finish(2);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(2)}, StopWorker{worker(2)}));
  scheduler.worker_ended(worker(2), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(WearingOut, a_cancelled_task_does_not_wear_a_worker_out) {
  open(wearing(1, 1));
  submit(0);
  submit(1);
  const auto first = take_all<SendChunk>();
  scheduler.chunk_declined(worker(0), first.at(0).chunk);
  EXPECT_THAT(take_all<SendChunk>(), ElementsAre(::testing::Field(&SendChunk::worker, worker(0))));
}

TEST_F(WearingOut, a_worker_that_dies_at_its_last_chunk_is_a_loss) {
  open(wearing(1, 1));
  submit(0);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_EQ(take_all<PoolBroken>().size(), 1U);
}

TEST_F(WearingOut, a_worker_that_retires_while_the_pool_is_stopped_is_not_replaced) {  // MTC-09
  open(wearing(1, 1));
  submit(0);
  submit(1);
  take();
  finish(0);
  take();
  scheduler.pool_stopped(kPool, SIGTERM);
  take();
  scheduler.worker_ended(worker(0), kLoss, false);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

class Overdue : public Desk {
 protected:
  static constexpr Nanoseconds kLimit{1'000};
};

TEST_F(Overdue, the_item_fails_its_worker_is_replaced_and_the_pool_goes_on) {
  open(limited(1, kLimit));
  submit(0, 3, 3);
  take();
  scheduler.tick(Time{500});
  scheduler.item_began(worker(0));
  scheduler.items_ended(worker(0), 1);
  EXPECT_EQ(scheduler.next_deadline(), std::nullopt);
  scheduler.tick(Time{700});
  scheduler.item_began(worker(0));
  EXPECT_EQ(scheduler.next_deadline(), Time{1'701});
  scheduler.tick(Time{1'700});
  EXPECT_THAT(take(), IsEmpty());
  scheduler.tick(Time{1'701});
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 1, 1, Reason::task_timeout, LossId::none},
                                  KillWorker{worker(0), SIGKILL}, StartWorker{worker(1), kPool, Rank{0}}));
  scheduler.worker_ready(worker(1));
  EXPECT_THAT(take(), ElementsAre(SendChunk{worker(1), ChunkId{1}, work(0), 2, 1}));
  finish(0);  // what it had sent before it was killed
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_EQ(scheduler.workers_alive(kPool), 1);
}

TEST_F(Overdue, a_killed_worker_that_does_not_end_holds_up_the_end_of_the_pool_only) {
  open(limited(1, kLimit));
  submit(0);
  take();
  scheduler.item_began(worker(0));
  scheduler.tick(Time{2'000});
  take();
  scheduler.worker_ready(worker(1));
  submit(1);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  finish(1);
  scheduler.pool_closed(kPool);
  take();
  scheduler.worker_ended(worker(1), kLoss, false);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(take(), ElementsAre(PoolEnded{kPool}));
}

TEST_F(Overdue, the_longest_running_item_gives_the_deadline) {
  open(limited(2, kLimit));
  submit(0);
  submit(1);
  const auto chunks = take_all<SendChunk>();
  ASSERT_EQ(chunks.size(), 2U);
  scheduler.tick(Time{100});
  scheduler.item_began(chunks[0].worker);
  scheduler.tick(Time{200});
  scheduler.item_began(chunks[1].worker);
  EXPECT_EQ(scheduler.next_deadline(), Time{1'101});
  scheduler.items_ended(chunks[0].worker, 1);
  EXPECT_EQ(scheduler.next_deadline(), Time{1'201});
}

}  // namespace
}  // namespace rankpool::schedule::testing
