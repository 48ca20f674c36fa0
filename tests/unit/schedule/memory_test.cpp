// Items and groups that say how much memory they need: never more at a time on a node than it has.
#include "desk.hpp"

#include <memory>
#include <utility>

namespace rankpool::schedule::testing {
namespace {

class Memory : public Desk {
 protected:
  /// Opens the pool on nodes with so much memory each and so many workers.
  void open_nodes(PoolPolicy policy, const std::vector<std::uint64_t>& memory, int workers_of_each) {
    policy.max_workers = 0;
    for (std::size_t i = 0; i < memory.size(); ++i) {
      scheduler.rank_joined(Rank{static_cast<std::int32_t>(i)}, workers_of_each, NodeId{static_cast<std::uint32_t>(i)},
                            memory[i]);
      policy.max_workers += workers_of_each;
    }
    start(policy);
  }
  void submit_needing(std::uint64_t number, std::uint64_t memory, std::uint64_t items = 1, std::uint32_t chunk = 1,
                      std::uint32_t ranks = 0, int priority = 0) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = chunk;
    spec.memory = memory;
    spec.ranks = ranks;
    spec.priority = priority;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  /// Which worker was sent which work, in this order.
  std::vector<std::pair<int, std::uint64_t>> sent() {
    std::vector<std::pair<int, std::uint64_t>> all;
    for (const SendChunk& one : take_all<SendChunk>()) all.emplace_back(raw(one.worker), raw(one.work));
    return all;
  }
  /// The worker that was sent a chunk, the only one.
  int sent_to() {
    const auto all = sent();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? -1 : all.front().first;
  }
  std::vector<std::uint64_t> works_sent() {
    std::vector<std::uint64_t> works;
    for (const auto& [worker, work] : sent()) works.push_back(work);
    return works;
  }
};
using Sent = std::pair<int, std::uint64_t>;

TEST_F(Memory, as_many_run_at_a_time_as_the_node_holds) {
  open_nodes(workers(0), {100}, 4);
  submit_needing(0, 40, 5);
  const auto first = take_all<SendChunk>();
  ASSERT_EQ(first.size(), 2U);
  finish(static_cast<int>(raw(first[0].worker)));
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

TEST_F(Memory, each_node_has_its_own) {
  open_nodes(workers(0), {100, 30, 100}, 2);
  submit_needing(0, 60, 6);
  std::vector<int> on;
  for (const auto& [worker, work] : sent()) on.push_back(worker % 3);  // workers are started in turn
  std::sort(on.begin(), on.end());
  EXPECT_THAT(on, ElementsAre(0, 2));
}

TEST_F(Memory, what_does_not_tell_is_not_held_up) {
  open_nodes(workers(0), {100}, 3);
  submit_needing(0, 80);
  const int busy = sent_to();
  submit_needing(1, 80);
  submit(2);
  submit(3);
  EXPECT_THAT(works_sent(), ElementsAre(2U, 3U));
  finish(busy);
  EXPECT_THAT(works_sent(), ::testing::Contains(1U));
}

TEST_F(Memory, small_ones_do_not_overtake_a_large_one_for_ever) {
  open_nodes(workers(0), {100}, 4);
  submit_needing(0, 50);
  const int busy = sent_to();
  submit_needing(1, 90);
  submit_needing(2, 30);  // has room, but what is left belongs to the large one
  EXPECT_THAT(take(), IsEmpty());
  submit_needing(3, 10);
  EXPECT_THAT(take(), IsEmpty());
  finish(busy);
  const auto large = take_all<SendChunk>();
  ASSERT_EQ(large.size(), 1U);
  EXPECT_EQ(large[0].work, work(1));
  finish(static_cast<int>(raw(large[0].worker)));
  EXPECT_THAT(works_sent(), ElementsAre(2U, 3U));
}

TEST_F(Memory, on_another_node_they_may) {
  open_nodes(workers(0), {100, 40}, 2);
  submit_needing(0, 50);
  take();
  submit_needing(1, 90);
  submit_needing(2, 30);
  EXPECT_EQ(sent_to() % 2, 1);  // workers are started in turn
}

TEST_F(Memory, a_higher_priority_goes_first) {
  open_nodes(workers(0), {100}, 2);
  submit_needing(0, 60);
  const int busy = sent_to();
  submit_needing(1, 60);
  submit_needing(2, 60, 1, 1, 0, 1);
  EXPECT_THAT(take(), IsEmpty());
  finish(busy);
  EXPECT_THAT(works_sent(), ElementsAre(2U));
}

TEST_F(Memory, waits_behind_what_came_before) {
  open_nodes(workers(0), {100}, 1);
  submit(0);
  submit(1);
  submit_needing(2, 10);
  submit(3);
  EXPECT_THAT(works_sent(), ElementsAre(0U));
  finish(0, 1, kLongTask);
  EXPECT_THAT(works_sent(), ElementsAre(1U));
  finish(0, 1, kLongTask);
  EXPECT_THAT(works_sent(), ElementsAre(2U));
  finish(0, 1, kLongTask);
  EXPECT_THAT(works_sent(), ElementsAre(3U));
}

TEST_F(Memory, a_worker_holds_one_item_of_the_kind_and_chunks_count_once) {
  open_nodes(workers(0), {100}, 2);
  submit_needing(0, 60, 6, 3);
  const auto first = take_all<SendChunk>();
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].count, 3U);
  finish(static_cast<int>(raw(first[0].worker)), 3);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
}

TEST_F(Memory, is_given_back_once_the_process_is_gone) {
  PoolPolicy policy = replacing(0, 1);
  policy.task_timeout = Nanoseconds{1000};
  open_nodes(policy, {100}, 2);
  submit_needing(0, 60);
  submit_needing(1, 60);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 0)));
  scheduler.item_began(worker(1));
  scheduler.tick(Time{2000});
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::task_timeout, LossId::none}));
  scheduler.worker_ready(worker(2));
  EXPECT_THAT(take(), IsEmpty());  // the other is being killed
  scheduler.worker_ended(worker(1), kLoss, true);
  EXPECT_THAT(works_sent(), ElementsAre(1U));
}

TEST_F(Memory, what_was_lost_is_tried_again_on_another_node) {
  open_nodes(replacing(0, 2), {100, 100}, 1);
  submit_needing(0, 60);
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 0)));
  scheduler.worker_ended(worker(0), kLoss, true);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 0)));
  scheduler.worker_ready(worker(2));
  submit_needing(1, 100);
  EXPECT_THAT(sent(), ElementsAre(Sent(2, 1)));  // what the lost one had is free
}

TEST_F(Memory, of_what_was_cancelled_before_it_was_sent_is_free) {
  open_nodes(workers(0), {100}, 2);
  submit_needing(0, 60);
  const auto chunks = take_all<SendChunk>();
  ASSERT_EQ(chunks.size(), 1U);
  submit_needing(1, 60);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.chunk_declined(chunks[0].worker, chunks[0].chunk);
  EXPECT_THAT(works_sent(), ElementsAre(1U));
}

TEST_F(Memory, of_what_waits_is_none_held_once_cancelled) {
  open_nodes(workers(0), {100}, 3);
  submit_needing(0, 60);
  submit_needing(1, 60);
  submit_needing(2, 30);
  EXPECT_THAT(works_sent(), ElementsAre(0U));
  scheduler.work_cancelled(work(1));
  EXPECT_THAT(works_sent(), ElementsAre(2U));
}

TEST_F(Memory, more_than_any_node_of_the_pool_has_fails) {
  open_nodes(workers(0), {100, 50}, 1);
  submit_needing(0, 101);
  EXPECT_THAT(take(), ElementsAre(FailItems{work(0), 0, 1, Reason::no_memory, LossId::none}, WorkEnded{work(0)}));
  submit_needing(1, 100);
  EXPECT_THAT(works_sent(), ElementsAre(1U));
}

TEST_F(Memory, fails_once_the_only_node_that_has_it_is_lost) {
  open_nodes(replacing(0), {50, 100}, 1);
  submit_needing(0, 80);
  submit_needing(1, 80);
  EXPECT_THAT(works_sent(), ElementsAre(0U));
  scheduler.rank_lost(Rank{1}, kLoss);
  EXPECT_THAT(take_all<FailItems>(), ElementsAre(FailItems{work(0), 0, 1, Reason::worker_lost, kLoss},
                                                 FailItems{work(1), 0, 1, Reason::no_memory, LossId::none}));
}

TEST_F(Memory, where_it_is_not_known_all_fit) {
  open_nodes(workers(0), {0}, 2);
  submit_needing(0, UINT64_MAX / 2, 2);
  EXPECT_EQ(take_all<SendChunk>().size(), 2U);
}

TEST_F(Memory, of_a_group_counts_for_each_process) {
  open_nodes(workers(0), {100, 100}, 3);
  submit_needing(0, 40, 1, 1, 3);  // each node holds two of them
  const auto starts = take_all<StartGroup>();
  ASSERT_EQ(starts.size(), 1U);
  EXPECT_EQ(starts[0].ranks, (std::vector<Rank>{Rank{0}, Rank{1}, Rank{1}}));
  submit_needing(1, 30);
  EXPECT_EQ(sent().size(), 1U);  // where one of them is
  submit_needing(2, 100);
  EXPECT_THAT(take(), IsEmpty());
  scheduler.group_item_ended(starts[0].group);
  EXPECT_THAT(take(), ElementsAre(WorkEnded{work(0)}));  // its processes still have it
  scheduler.group_ended(starts[0].group, LossId::none);
  EXPECT_THAT(works_sent(), ElementsAre(2U));
}

TEST_F(Memory, is_shared_with_other_pools) {
  constexpr PoolId other{1};
  open_nodes(workers(0), {100}, 2);
  scheduler.pool_opened(other, workers(1));
  take();
  scheduler.worker_ready(worker(2));
  submit_needing(0, 60);
  EXPECT_EQ(take_all<SendChunk>().size(), 1U);
  WorkSpec spec;
  spec.memory = 60;
  scheduler.work_submitted(other, work(1), spec);
  EXPECT_THAT(take(), IsEmpty());
  finish(1);
  EXPECT_THAT(works_sent(), ElementsAre(1U));
}

TEST_F(Memory, is_heeded_beside_ranks_to_avoid) {
  open_nodes(workers(0), {100, 50}, 1);
  WorkSpec spec;
  spec.memory = 80;
  spec.avoid = std::make_shared<const std::vector<Rank>>(std::vector{Rank{0}});
  scheduler.work_submitted(kPool, work(0), spec);  // only the node to avoid has so much
  EXPECT_THAT(sent(), ElementsAre(Sent(0, 0)));
  spec.memory = 20;
  scheduler.work_submitted(kPool, work(1), spec);
  EXPECT_THAT(sent(), ElementsAre(Sent(1, 1)));
}

TEST_F(Memory, a_pool_that_ends_gives_back_all) {
  open_nodes(workers(0), {100}, 2);
  submit_needing(0, 60, 4);
  take();
  scheduler.pool_stopped(kPool, SIGKILL);
  scheduler.worker_ended(worker(0), kLoss, true);
  scheduler.worker_ended(worker(1), kLoss, true);
  EXPECT_THAT(take_all<PoolEnded>(), ElementsAre(PoolEnded{kPool}));
  scheduler.pool_opened(PoolId{1}, workers(1));
  take();
  scheduler.worker_ready(worker(2));
  WorkSpec spec;
  spec.memory = 100;
  scheduler.work_submitted(PoolId{1}, work(9), spec);
  EXPECT_THAT(works_sent(), ElementsAre(9U));
}

}  // namespace
}  // namespace rankpool::schedule::testing
