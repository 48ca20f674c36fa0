// Who gets what: placement, order, chunks, look-ahead.
#include "desk.hpp"

#include <algorithm>
#include <deque>
#include <numeric>

namespace rankpool::schedule::testing {
namespace {

class Placement : public Desk {
 protected:
  std::vector<int> ranks_of(int count) {
    scheduler.pool_opened(kPool, workers(count));
    std::vector<int> result;
    for (const StartWorker& start : take_all<StartWorker>()) result.push_back(raw(start.rank));
    return result;
  }
};

TEST_F(Placement, workers_are_spread_over_the_ranks_in_turn_up_to_their_capacity) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.rank_joined(Rank{1}, 3);
  scheduler.rank_joined(Rank{2}, 2);
  EXPECT_THAT(ranks_of(6), ElementsAre(0, 1, 2, 1, 2, 1));
}

TEST_F(Placement, workers_beyond_the_capacity_are_spread_in_turn_again) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.rank_joined(Rank{1}, 2);
  EXPECT_THAT(ranks_of(7), ElementsAre(0, 1, 1, 0, 1, 0, 1));
}

TEST_F(Placement, each_pool_is_placed_as_if_it_were_alone) {
  scheduler.rank_joined(Rank{0}, 1);
  scheduler.rank_joined(Rank{1}, 1);
  scheduler.pool_opened(PoolId{9}, workers(1));
  take();
  EXPECT_THAT(ranks_of(2), ElementsAre(0, 1));
}

TEST_F(Placement, a_lost_rank_gets_no_workers) {
  scheduler.rank_joined(Rank{0}, 2);
  scheduler.rank_joined(Rank{1}, 2);
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(ranks_of(2), ElementsAre(0, 0));
}

TEST_F(Placement, a_pool_without_any_rank_waits_for_the_first) {
  EXPECT_THAT(ranks_of(2), IsEmpty());
  scheduler.rank_joined(Rank{0}, 4);
  EXPECT_EQ(take_all<StartWorker>().size(), 2U);
}

TEST_F(Placement, a_few_tasks_are_spread_over_the_ranks) {  // SUB-38
  for (int rank = 0; rank < 3; ++rank) scheduler.rank_joined(Rank{rank}, 4);
  start(workers(12));
  for (int i = 0; i < 6; ++i) submit(static_cast<std::uint64_t>(i));
  std::multiset<int> used;
  for (const SendChunk& chunk : take_all<SendChunk>()) used.insert(static_cast<int>(raw(chunk.worker)) % 3);
  EXPECT_THAT(used, ElementsAre(0, 0, 1, 1, 2, 2));
}

using NextIdle = Desk;

TEST_F(NextIdle, is_the_worker_that_gets_the_next_task) {
  open(workers(3));
  for (std::uint64_t number = 0; number < 3; ++number) {
    const auto next = scheduler.next_idle(kPool);
    submit(number);
    const auto actions = take();
    ASSERT_EQ(actions.size(), 1U);  // and nothing else comes of it
    EXPECT_EQ(std::get<SendChunk>(actions[0]).worker, next);
  }
  EXPECT_EQ(scheduler.next_idle(kPool), std::nullopt);
  finish(1);
  EXPECT_EQ(scheduler.next_idle(kPool), worker(1));
}

TEST_F(NextIdle, is_nobody_where_more_might_come_of_a_task) {
  EXPECT_EQ(scheduler.next_idle(kPool), std::nullopt);
  open(workers(2));
  ASSERT_EQ(scheduler.next_idle(kPool), worker(1));
  scheduler.pool_closed(kPool);
  EXPECT_EQ(scheduler.next_idle(kPool), std::nullopt);
}

using Feeding = Desk;

TEST_F(Feeding, one_task_after_the_other_stays_with_the_worker_that_is_awake) {  // SUB-05, SUB-06
  open(workers(4));
  submit(0);
  const auto first = take_all<SendChunk>();
  ASSERT_EQ(first.size(), 1U);
  for (std::uint64_t i = 1; i < 5; ++i) {
    finish(static_cast<int>(raw(first[0].worker)));
    take();
    submit(i);
    EXPECT_THAT(take_all<SendChunk>(), ElementsAre(::testing::Field(&SendChunk::worker, first[0].worker)));
  }
}

TEST_F(Feeding, works_are_handed_out_in_the_order_in_which_they_came) {
  open(workers(1));
  for (std::uint64_t i = 0; i < 4; ++i) submit(i, i == 1 ? 2 : 1);
  std::vector<std::uint64_t> order;
  for (int i = 0; i < 5; ++i) {
    for (const SendChunk& chunk : take_all<SendChunk>()) order.push_back(raw(chunk.work));
    finish(0, 1, kLongTask);
  }
  EXPECT_THAT(order, ElementsAre(0, 1, 1, 2, 3));
}

TEST_F(Feeding, a_work_ends_after_its_last_item) {
  open(workers(1));
  submit(0, 2, 2);
  EXPECT_THAT(take(), ElementsAre(SendChunk{worker(0), ChunkId{0}, work(0), 0, 2}));
  scheduler.items_ended(worker(0), 1);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.items_ended(worker(0), 1);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
}

TEST_F(Feeding, a_work_without_items_ends_at_once) {  // MAP-44
  open(workers(1));
  submit(0, 0);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
}

TEST_F(Feeding, an_explicit_chunk_is_kept_and_the_last_one_takes_what_is_left) {  // MAP-03
  open(workers(1));
  submit(0, 14, 6);
  std::vector<std::uint32_t> sizes;
  for (int i = 0; i < 3; ++i) {
    for (const SendChunk& chunk : take_all<SendChunk>()) sizes.push_back(chunk.count);
    finish(0, sizes.back(), kLongTask);
  }
  EXPECT_THAT(sizes, ElementsAre(6, 6, 2));
  submit(1, 40, 50);
  EXPECT_EQ(take_all<SendChunk>().at(0).count, 40U);
}

TEST_F(Feeding, no_chunk_spans_two_extensions) {  // MAP-28
  open(workers(1));
  submit(99);
  take();
  submit_open(0, 4, 2);
  scheduler.work_extended(work(0), 2);
  finish(0, 1, kLongTask);
  std::vector<std::uint64_t> firsts;
  for (int i = 0; i < 3; ++i) {
    for (const SendChunk& chunk : take_all<SendChunk>()) {
      EXPECT_EQ(chunk.count, 2U);
      firsts.push_back(chunk.first);
    }
    finish(0, 2, kLongTask);
  }
  EXPECT_THAT(firsts, ElementsAre(0, 2, 4));
}

TEST_F(Feeding, an_open_work_ends_once_it_is_sealed) {
  open(workers(1));
  submit_open(0, 0);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.work_extended(work(0), 1);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  finish(0);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.work_sealed(work(0));
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));
}

TEST_F(Feeding, a_declined_chunk_frees_its_worker_for_the_next) {  // BRK-06, SHU-09
  open(workers(1));
  submit(0);
  submit(1);
  const auto chunks = take_all<SendChunk>();
  ASSERT_EQ(chunks.size(), 1U);
  scheduler.chunk_declined(worker(0), chunks[0].chunk);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}, SendChunk{worker(0), ChunkId{1}, work(1), 0, 1}));
}

class LookingAhead : public Desk {
 protected:
  /// How many chunks worker 0 of 1 holds while it works on one and `more` wait.
  std::size_t held(std::uint64_t more) {
    submit(1'000);
    for (std::uint64_t i = 0; i < more; ++i) submit(1'001 + i);
    return take_all<SendChunk>().size();
  }
};

TEST_F(LookingAhead, nothing_is_handed_ahead_before_any_task_was_measured) {
  open(workers(1));
  EXPECT_EQ(held(100), 1U);
}

TEST_F(LookingAhead, nothing_is_handed_ahead_of_long_tasks) {
  open(workers(1));
  teach(0, kLongTask);
  EXPECT_EQ(held(100), 1U);
}

TEST_F(LookingAhead, one_is_handed_ahead_of_tasks_of_some_milliseconds) {
  open(workers(1));
  teach(0, Nanoseconds{7'000'000});
  EXPECT_EQ(held(100), 2U);
}

TEST_F(LookingAhead, two_are_handed_ahead_of_tasks_of_a_millisecond) {
  open(workers(1));
  const Nanoseconds busy{1'500'000};
  teach(0, busy);
  std::size_t outstanding = held(100);
  for (int i = 0; i < 20; ++i) {
    finish(0, 1, busy);
    outstanding += take_all<SendChunk>().size() - 1;
  }
  EXPECT_EQ(outstanding, 3U);
}

TEST_F(LookingAhead, a_worker_that_was_idle_holds_two_ahead_at_most) {  // SHU-07, SHU-23, MAP-13
  open(workers(1));
  for (std::uint64_t i = 0; i < 50; ++i) teach(i, kShortTask);
  EXPECT_LE(held(10), 3U);
}

TEST_F(LookingAhead, more_is_handed_ahead_while_short_tasks_follow_each_other) {
  open(workers(1));
  teach(0, kShortTask);
  std::size_t outstanding = held(10'000);
  for (int i = 0; i < 200; ++i) {
    finish(0);
    --outstanding;
    outstanding += take_all<SendChunk>().size();
    EXPECT_LE(outstanding, 64U);
  }
  EXPECT_EQ(outstanding, 64U);
}

TEST_F(LookingAhead, all_that_are_ahead_last_less_than_a_millisecond) {
  open(workers(1));
  const Nanoseconds busy{40'000};
  teach(0, busy);
  std::size_t outstanding = held(10'000);
  for (int i = 0; i < 200; ++i) {
    finish(0, 1, busy);
    --outstanding;
    outstanding += take_all<SendChunk>().size();
    EXPECT_LE((outstanding - 1) * static_cast<std::size_t>(busy.count()), 1'000'000U);
  }
  EXPECT_GT(outstanding, 2U);
}

TEST_F(LookingAhead, one_slow_task_ends_it_at_once) {
  open(workers(1));
  teach(0, kShortTask);
  std::size_t outstanding = held(10'000);
  for (int i = 0; i < 20; ++i) {
    finish(0);
    outstanding += take_all<SendChunk>().size() - 1;
  }
  ASSERT_GT(outstanding, 10U);
  finish(0, 1, kLongTask);
  EXPECT_THAT(take_all<SendChunk>(), IsEmpty());
}

TEST_F(LookingAhead, one_slow_task_outweighs_all_short_ones_before_it) {
  open(workers(1));
  for (std::uint64_t i = 0; i < 50; ++i) teach(i, kShortTask);
  teach(50, kLongTask);
  EXPECT_EQ(held(100), 1U);
}

TEST_F(LookingAhead, nothing_is_handed_ahead_while_a_worker_comes_up) {
  scheduler.rank_joined(Rank{0}, 2);
  scheduler.pool_opened(kPool, workers(2));
  take();
  scheduler.worker_ready(worker(0));
  teach(0, kShortTask);
  EXPECT_EQ(held(100), 1U);
  scheduler.worker_ready(worker(1));
  EXPECT_FALSE(take_all<SendChunk>().empty());
}

TEST_F(LookingAhead, as_many_tasks_as_workers_all_run_at_once_though_one_is_busy_with_something_else) {
  open(workers(4));
  for (std::uint64_t i = 0; i < 50; ++i) teach(i, kShortTask);
  submit(100);
  const auto busy = take_all<SendChunk>();
  ASSERT_EQ(busy.size(), 1U);
  for (std::uint64_t i = 0; i < 4; ++i) submit(200 + i);
  EXPECT_EQ(take_all<SendChunk>().size(), 3U);
  finish(static_cast<int>(raw(busy[0].worker)));
  EXPECT_THAT(take_all<SendChunk>(), ElementsAre(::testing::Field(&SendChunk::worker, busy[0].worker)));
}

/// A map of `kItems` in chunks of a size that the caller chose, whose every chunk takes as long as `busy` says.
class Batches : public Desk {
 protected:
  static constexpr std::uint64_t kItems = 10'000;
  /// The sizes of what one worker was handed, until nothing is left.
  std::vector<std::uint32_t> sizes(PoolPolicy policy, std::uint32_t chunk, Nanoseconds busy) {
    open(policy);
    scheduler.work_submitted(kPool, work(0), {kItems, false, chunk});
    std::vector<std::uint32_t> all;
    std::deque<SendChunk> held;
    while (true) {
      for (const auto& sent : take_all<SendChunk>()) {
        held.push_back(sent);
        all.push_back(sent.count);
        most_ahead = std::max(most_ahead, items_in(held) - held.front().count);
      }
      if (held.empty()) return all;
      const SendChunk done = held.front();
      held.pop_front();
      finish(0, done.count, busy * ((done.count + chunk - 1) / chunk));
    }
  }
  static std::uint64_t items_in(const std::deque<SendChunk>& held) {
    std::uint64_t items = 0;
    for (const auto& chunk : held) items += chunk.count;
    return items;
  }
  std::uint64_t most_ahead = 0;
};

TEST_F(Batches, short_chunks_are_handed_over_together_once_they_were_measured) {
  const auto all = sizes(workers(1), 3, Nanoseconds{100});
  EXPECT_EQ(all.front(), 3U);
  EXPECT_GT(*std::max_element(all.begin(), all.end()), 3U * 100);
  EXPECT_EQ(all.back(), 1U);  // 10,000 is no multiple of 3
  EXPECT_EQ(std::accumulate(all.begin(), all.end(), std::uint64_t{0}), kItems);
  EXPECT_LT(all.size(), kItems / 3 / 50);
}

TEST_F(Batches, long_chunks_are_not) {
  const auto all = sizes(workers(1), 1, Nanoseconds{300'000});
  EXPECT_EQ(all.size(), kItems);
}

TEST_F(Batches, all_that_is_ahead_lasts_less_than_a_millisecond) {
  sizes(workers(1), 1, Nanoseconds{4'000});
  EXPECT_GT(most_ahead * 4, 200U);
  EXPECT_LE(most_ahead * 4, 900U);
}

TEST_F(Batches, chunks_that_are_counted_or_timed_go_one_by_one) {
  PoolPolicy timed = workers(1);
  timed.task_timeout = std::chrono::seconds(1);
  EXPECT_EQ(sizes(timed, 1, Nanoseconds{100}).size(), kItems);
}

}  // namespace
}  // namespace rankpool::schedule::testing
