// Pools with more workers than the nodes have cores.
#include "desk.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

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
  std::set<WorkerId> at_work;
  std::optional<std::uint32_t> first_of_others;
  for (int round = 0; round < 20 && !first_of_others; ++round) {
    const std::vector<SendChunk> held = take_all<SendChunk>();
    for (const SendChunk& chunk : held) {
      if (at_work.insert(chunk.worker).second && at_work.size() > 4 && !first_of_others) first_of_others = chunk.count;
    }
    for (const SendChunk& chunk : held) {
      finish(static_cast<int>(raw(chunk.worker)), chunk.count, Nanoseconds{100} * chunk.count);
    }
  }
  ASSERT_TRUE(first_of_others);
  EXPECT_GT(*first_of_others, 50U);
}

TEST_F(InACrowd, what_a_few_are_soon_through_with_is_left_to_them) {
  submit(0, 10'000, 0);
  std::set<WorkerId> at_work;
  std::vector<SendChunk> held = take_all<SendChunk>();
  std::size_t given = 0;
  while (!held.empty()) {
    for (const SendChunk& chunk : std::exchange(held, {})) {
      given += chunk.count;
      at_work.insert(chunk.worker);
      finish(static_cast<int>(raw(chunk.worker)), chunk.count, Nanoseconds{100} * chunk.count);
      auto more = take_all<SendChunk>();
      held.insert(held.end(), more.begin(), more.end());
    }
  }
  EXPECT_EQ(given, 10'000U);
  EXPECT_LE(at_work.size(), 5U);
}

TEST_F(InACrowd, others_take_over_from_a_few_that_are_not_through_with_it_in_a_moment) {
  submit(0, 15'000, 0);
  std::vector<SendChunk> held = take_all<SendChunk>();
  for (int round = 0; round < 4; ++round) {
    for (const SendChunk& chunk : std::exchange(held, {})) {
      finish(static_cast<int>(raw(chunk.worker)), chunk.count, Nanoseconds{100} * chunk.count);
    }
    held = take_all<SendChunk>();
  }
  std::set<WorkerId> at_work;
  for (const SendChunk& chunk : held) at_work.insert(chunk.worker);
  EXPECT_LE(at_work.size(), 4U);
  ASSERT_TRUE(scheduler.next_deadline());  // they hang in what they have
  scheduler.tick(kMoment);
  for (const SendChunk& chunk : take_all<SendChunk>()) at_work.insert(chunk.worker);
  EXPECT_GT(at_work.size(), 4U);
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
