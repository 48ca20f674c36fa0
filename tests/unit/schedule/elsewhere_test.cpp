// Items that are not to run where they have failed.
#include "desk.hpp"

#include <memory>

namespace rankpool::schedule::testing {
namespace {

class Elsewhere : public Desk {
 protected:
  /// Two nodes with a worker each: worker 0 on rank 0, worker 1 on rank 1.
  void open_on_two_nodes(PoolPolicy policy) {
    scheduler.rank_joined(Rank{0}, 1);
    scheduler.rank_joined(Rank{1}, 1);
    start(policy);
  }
  void submit_avoiding(std::uint64_t number, std::vector<Rank> ranks) {
    WorkSpec spec;
    spec.avoid = std::make_shared<const std::vector<Rank>>(std::move(ranks));
    scheduler.work_submitted(kPool, work(number), spec);
  }
  /// Which worker was sent which work, in this order.
  std::vector<std::pair<int, std::uint64_t>> sent() {
    std::vector<std::pair<int, std::uint64_t>> all;
    for (const SendChunk& one : take_all<SendChunk>()) all.emplace_back(raw(one.worker), raw(one.work));
    return all;
  }
};
using Sent = std::pair<int, std::uint64_t>;

TEST_F(Elsewhere, an_item_whose_worker_was_lost_goes_to_another_node) {
  open_on_two_nodes(replacing(2, 1));
  submit(0);
  submit(1);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  take();
  scheduler.worker_ready(worker(2));  // where the lost one was
  EXPECT_THAT(sent(), IsEmpty());
  submit(2);  // does not wait for it
  EXPECT_THAT(sent(), ElementsAre(Sent(2, 2)));
  finish(1);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 0)));
}

TEST_F(Elsewhere, an_item_that_failed_everywhere_begins_anew_where_that_was_longest_ago) {
  open_on_two_nodes(replacing(2, 3));
  submit(0);
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 0)));
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 0)));
  scheduler.worker_ready(worker(2));
  scheduler.worker_ended(worker(1), kLoss, true);
  EXPECT_THAT(sent(), ElementsAre(Sent(2, 0)));
  scheduler.worker_ready(worker(3));
  scheduler.worker_ended(worker(2), kLoss, true);
  EXPECT_THAT(sent(), ElementsAre(Sent(3, 0)));
}

TEST_F(Elsewhere, without_another_node_it_is_tried_where_it_was) {
  scheduler.rank_joined(Rank{0}, 1, NodeId{0});
  scheduler.rank_joined(Rank{1}, 1, NodeId{0});
  start(replacing(2, 1));
  submit(0);
  submit(1);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  take();
  scheduler.worker_ready(worker(2));
  EXPECT_THAT(sent(), ElementsAre(Sent(2, 0)));
}

TEST_F(Elsewhere, a_task_waits_for_a_node_that_it_does_not_avoid_and_others_pass_it) {
  open_on_two_nodes(workers(2));
  submit(0);
  submit(1);
  take();
  submit_avoiding(2, {Rank{0}});
  finish(0);
  EXPECT_THAT(sent(), IsEmpty());
  EXPECT_EQ(scheduler.next_idle(kPool), std::nullopt);  // nothing is dispatched past the scheduler meanwhile
  submit(3);
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 3)));
  finish(1);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 2)));
}

TEST_F(Elsewhere, once_no_other_node_is_left_it_runs_where_it_was_not_to) {
  open_on_two_nodes(replacing(2));
  submit(0);
  submit(1);
  take();
  submit_avoiding(2, {Rank{0}});
  finish(0);
  take();
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 2)));
}

TEST_F(Elsewhere, ranks_that_there_are_not_are_nothing_to_avoid) {
  open_on_two_nodes(workers(2));
  submit_avoiding(0, {Rank{-3}, Rank{0}, Rank{4'000'000}});
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 0)));
}

TEST_F(Elsewhere, what_waits_for_another_node_can_be_cancelled_and_ends_with_its_pool) {
  open_on_two_nodes(workers(2));
  submit(0);
  submit(1);
  take();
  submit_avoiding(2, {Rank{0}});
  submit_avoiding(3, {Rank{0}});
  finish(0);
  take();
  scheduler.work_cancelled(work(2));
  EXPECT_THAT(take(), ElementsAre(CancelItems{work(2), 0, 1}, WorkEnded{work(2)}));
  scheduler.pool_stopped(kPool, SIGKILL);
  EXPECT_THAT(take_all<CancelItems>(), ElementsAre(CancelItems{work(3), 0, 1}));
}

TEST_F(Elsewhere, a_closed_pool_runs_what_waits_for_another_node) {
  open_on_two_nodes(workers(2));
  submit(0);
  submit(1);
  take();
  submit_avoiding(2, {Rank{1}});
  scheduler.pool_closed(kPool);
  finish(1);
  EXPECT_THAT(sent(), IsEmpty());
  finish(0);
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 2)));
}

TEST_F(Elsewhere, where_chunks_are_handed_ahead_it_does_not_wait_for_an_idle_worker) {
  open_on_two_nodes(replacing(2, 1));
  for (std::uint64_t i = 0; i < 8; ++i) teach(i, kShortTask);
  submit(10, 1000, 1);
  take();
  scheduler.worker_ended(worker(0), kLoss, true);
  const auto retries = take_all<RetryItem>();
  ASSERT_EQ(retries.size(), 1U);
  scheduler.worker_ready(worker(2));
  take();
  // Both have their fill now. The next place elsewhere is its.
  const auto current = scheduler.current_chunk(worker(1));
  ASSERT_TRUE(current);
  finish(1, current->count);
  const auto actions = take();
  bool again = false;
  for (const Action& action : actions) {
    const auto* const chunk = std::get_if<SendChunk>(&action);
    again = again || (chunk != nullptr && chunk->worker == worker(1) && chunk->first == retries[0].item);
  }
  EXPECT_TRUE(again);
}

}  // namespace
}  // namespace rankpool::schedule::testing
