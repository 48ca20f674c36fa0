// Pools with more workers than the nodes have cores.
#include "desk.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::schedule::testing {
namespace {

class InACrowd : public Desk {
 protected:
  static constexpr int kWorkers = 16;
  static constexpr Nanoseconds kMoment{1'000'000};

  void SetUp() override {
    scheduler.cores_changed(2);
    PoolPolicy policy;
    policy.max_workers = kWorkers;
    open(policy);
  }
  std::size_t handed_out() { return take_all<SendChunk>().size(); }
};

TEST_F(InACrowd, the_first_items_of_a_work_go_to_two_workers_a_core) {
  submit(0, 1000, 0);
  EXPECT_EQ(handed_out(), 4U);
}

TEST_F(InACrowd, the_others_have_theirs_a_moment_later) {
  submit(0, 1000, 0);
  take();
  ASSERT_TRUE(scheduler.next_deadline());
  EXPECT_EQ(*scheduler.next_deadline(), kMoment);
  scheduler.tick(kMoment - Nanoseconds{1});
  EXPECT_EQ(handed_out(), 0U);
  scheduler.tick(kMoment);
  EXPECT_EQ(handed_out(), 12U);
  EXPECT_FALSE(scheduler.next_deadline());
}

TEST_F(InACrowd, items_that_turn_out_long_go_to_all_workers_at_once) {
  submit(0, 1000, 0);
  const auto first = take_all<SendChunk>();
  finish(static_cast<int>(raw(first.at(0).worker)), 1, kLongTask);
  EXPECT_EQ(handed_out(), 13U);
}

TEST_F(InACrowd, short_items_go_to_the_few_until_chunks_are_long_enough) {
  submit(0, 100'000, 0);
  std::vector<SendChunk> held = take_all<SendChunk>();
  std::size_t largest_before_others = 0;
  for (int round = 0; held.size() <= 4 && round < 20; ++round) {
    for (const SendChunk& chunk : std::exchange(held, {})) {
      largest_before_others = std::max<std::size_t>(largest_before_others, chunk.count);
      finish(static_cast<int>(raw(chunk.worker)), chunk.count, Nanoseconds{100} * chunk.count);
    }
    held = take_all<SendChunk>();
    std::size_t workers = 0;
    for (int i = 0; i < kWorkers; ++i) {
      workers +=
          std::any_of(held.begin(), held.end(), [&](const auto& one) { return one.worker == worker(i); }) ? 1 : 0;
    }
    if (workers > 4) break;
  }
  EXPECT_GT(largest_before_others, 50U);
  EXPECT_GT(held.size(), 4U);
}

TEST_F(InACrowd, chunks_of_the_callers_size_are_tried_on_a_few_too) {
  submit(0, 1000, 1);
  EXPECT_EQ(handed_out(), 4U);
  scheduler.tick(kMoment);
  EXPECT_EQ(handed_out(), 12U);
}

TEST_F(InACrowd, single_tasks_go_to_all_workers_at_once) {
  for (std::uint64_t i = 0; i < 100; ++i) submit(i);
  EXPECT_EQ(handed_out(), 16U);
}

TEST_F(InACrowd, each_work_is_tried_anew) {
  submit(0, 4, 0);
  take();
  for (int i = 0; i < kWorkers; ++i) finish(i, 1, kShortTask);
  take();
  scheduler.tick(5 * kMoment);
  submit(1, 1000, 0);
  EXPECT_EQ(handed_out(), 4U);
  scheduler.tick(6 * kMoment);
  EXPECT_EQ(handed_out(), 12U);
}

TEST_F(InACrowd, without_word_of_the_cores_there_is_one_for_each_worker) {
  Scheduler fresh;
  fresh.rank_joined(Rank{0}, kWorkers);
  PoolPolicy policy;
  policy.max_workers = kWorkers;
  fresh.pool_opened(kPool, policy);
  std::vector<Action> actions;
  for (int i = 0; i < kWorkers; ++i) fresh.worker_ready(worker(i));
  fresh.take_actions(actions);
  actions.clear();
  fresh.work_submitted(kPool, work(0), {1000, false, 0});
  fresh.take_actions(actions);
  EXPECT_EQ(actions.size(), 16U);
}

}  // namespace
}  // namespace rankpool::schedule::testing
