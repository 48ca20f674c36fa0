#include "support.hpp"

#include <list>
#include <ranges>

namespace {

class Waiting : public Behaviour {
 protected:
  using When = rankpool::ReturnWhen;
  Gate gate_;
  ProcessPoolExecutor executor_{2};
  Future<int> blocked() { return executor_.submit(pass_gate, gate_.name(), 1); }
  Future<int> quick() { return executor_.submit(sleep_ms, 1); }
  Future<int> failing() { return executor_.submit(fail_with, 1); }
  Future<int> cancelled() {
    std::vector<Future<int>> blockers;
    for (int i = 0; i < 8; ++i) blockers.push_back(blocked());
    EXPECT_TRUE(blockers.back().cancel());
    return blockers.back();
  }
  void TearDown() override {
    gate_.open();
    executor_.shutdown();
    Behaviour::TearDown();
  }
  void SetUp() override {
    executor_.bootup();
    Behaviour::SetUp();
  }
};

TEST_F(Waiting, duplicates_count_once) {  // WAI-01, ASC-05
  const auto future = quick();
  const auto [done, not_done] = rankpool::wait(std::vector{future, future});
  EXPECT_EQ(done.size(), 1U);
  EXPECT_TRUE(not_done.empty());
  int count = 0;
  for ([[maybe_unused]] auto f : rankpool::as_completed(std::vector{future, future, future})) ++count;
  EXPECT_EQ(count, 1);
}

TEST_F(Waiting, first_completed_returns_at_the_first) {  // WAI-02, WAI-04
  const std::vector futures{blocked(), quick()};
  const auto [done, not_done] = rankpool::wait(futures, {.timeout = kLong, .return_when = When::FIRST_COMPLETED});
  EXPECT_THAT(done, ::testing::ElementsAre(futures[1]));
  EXPECT_THAT(not_done, ::testing::ElementsAre(futures[0]));
  const auto again = rankpool::wait(futures, {.timeout = kLong, .return_when = When::FIRST_COMPLETED});
  EXPECT_EQ(again.done.size(), 1U);
}

TEST_F(Waiting, first_exception_returns_at_the_first_failure) {  // WAI-05, WAI-06, WAI-07
  const auto good = quick();
  good.result();
  const std::vector futures{good, failing(), blocked()};
  for (int i = 0; i < 2; ++i) {
    const auto [done, not_done] = rankpool::wait(futures, {.timeout = kLong, .return_when = When::FIRST_EXCEPTION});
    EXPECT_EQ(done.size(), 2U);
    EXPECT_THAT(not_done, ::testing::ElementsAre(futures[2]));
  }
}

TEST_F(Waiting, a_cancelled_future_is_complete_but_no_exception) {  // WAI-03, WAI-08, WAI-13
  const auto gone = cancelled();
  const auto open = blocked();
  const auto first = rankpool::wait(std::vector{gone, open}, {.timeout = 30ms, .return_when = When::FIRST_EXCEPTION});
  EXPECT_THAT(first.done, ::testing::ElementsAre(gone));
  EXPECT_THAT(first.not_done, ::testing::ElementsAre(open));
  EXPECT_EQ(rankpool::wait(std::vector{gone}).done.size(), 1U);
}

TEST_F(Waiting, first_exception_without_one_waits_for_all) {  // WAI-09
  const std::vector futures{quick(), quick()};
  EXPECT_EQ(rankpool::wait(futures, {.return_when = When::FIRST_EXCEPTION}).done.size(), 2U);
}

TEST_F(Waiting, all_completed_takes_every_kind_of_end) {  // WAI-10, WAI-11
  const std::vector futures{quick(), failing(), cancelled()};
  const auto timed = rankpool::wait(std::vector{futures[0], blocked()}, {.timeout = 100ms});
  EXPECT_THAT(timed.done, ::testing::ElementsAre(futures[0]));
  EXPECT_EQ(timed.not_done.size(), 1U);
  gate_.open();
  EXPECT_EQ(rankpool::wait(futures).done.size(), 3U);
}

TEST_F(Waiting, no_wake_up_is_missed) {  // WAI-12
  for (int round = 0; round < 20; ++round) {
    std::vector<Future<long>> futures;
    for (long i = 0; i < 100; ++i) futures.push_back(executor_.submit(square, i));
    EXPECT_TRUE(rankpool::wait(futures, {.timeout = kLong}).not_done.empty());
  }
}

TEST_F(Waiting, cancelling_wakes_who_waits) {  // WAI-14, ASC-10
  std::vector<Future<int>> queue;
  for (int i = 0; i < 9; ++i) queue.push_back(blocked());
  auto last = queue.back();
  std::thread other([&] { EXPECT_EQ(rankpool::wait(std::vector{last}, {.timeout = kLong}).done.size(), 1U); });
  std::thread third([&] {
    int count = 0;
    for (auto f : rankpool::as_completed(std::vector{last}, kLong)) count += f.cancelled() ? 1 : 0;
    EXPECT_EQ(count, 1);
  });
  sleep_ms(20);
  EXPECT_TRUE(last.cancel());
  other.join();
  third.join();
}

TEST_F(Waiting, a_shutdown_that_cancels_wakes_who_waits) {  // WAI-15, SHU-20
  ProcessPoolExecutor executor(1);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 40; ++i) futures.push_back(executor.submit(pass_gate, gate_.name(), i));
  executor.shutdown({.wait = false, .cancel_futures = true});
  const std::vector tail(futures.end() - 30, futures.end());
  EXPECT_EQ(rankpool::wait(tail, {.timeout = kLong}).done.size(), 30U);
  gate_.open();
  EXPECT_EQ(rankpool::wait(futures, {.timeout = kLong}).done.size(), 40U);
}

TEST_F(Waiting, nothing_to_wait_for_returns_at_once) {  // WAI-16, ASC-09
  const std::vector<Future<int>> none;
  for (const auto when : {When::ALL_COMPLETED, When::FIRST_COMPLETED, When::FIRST_EXCEPTION}) {
    const auto [done, not_done] = rankpool::wait(none, {.return_when = when});
    EXPECT_TRUE(done.empty() && not_done.empty());
  }
  for ([[maybe_unused]] auto f : rankpool::as_completed(none)) FAIL();
}

TEST_F(Waiting, futures_of_different_pools_go_together) {  // WAI-17
  ProcessPoolExecutor other(1);
  const std::vector futures{executor_.submit(square, 2), other.submit(square, 3)};
  EXPECT_EQ(rankpool::wait(futures).done.size(), 2U);
}

TEST_F(Waiting, as_completed_gives_each_as_it_ends) {  // ASC-01, ASC-06
  const auto slow = blocked();
  const auto fast = quick();
  const auto bad = failing();
  const auto gone = cancelled();
  std::vector<Future<int>> seen;
  for (const Future<int> future : rankpool::as_completed(std::list{slow, fast, bad, gone}, kLong)) {
    seen.push_back(future);
    if (seen.size() == 3) gate_.open();
  }
  EXPECT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen.back(), slow);
}

TEST_F(Waiting, as_completed_is_a_range_that_can_be_piped) {
  std::vector<Future<long>> futures;
  for (long i = 0; i < 6; ++i) futures.push_back(executor_.submit(square, i));
  auto even = rankpool::as_completed(futures, kLong) |
              std::views::filter([](const Future<long>& future) { return future.result() % 2 == 0; });
  long sum = 0;
  for (const Future<long>& future : even) sum += future.result();
  EXPECT_EQ(sum, 0 + 4 + 16);
}

TEST_F(Waiting, as_completed_times_out_and_says_how_many_are_left) {  // ASC-02, ASC-03, ASC-04, ASC-08, ASC-11
  const auto a = quick();
  const auto b = quick();
  a.result();
  b.result();
  for (const auto timeout : {0ms, 100ms}) {
    int count = 0;
    const std::string text = thrown<rankpool::TimeoutError>([&] {
      for ([[maybe_unused]] auto f : rankpool::as_completed(std::vector{a, blocked(), b, blocked()}, timeout)) ++count;
    });
    EXPECT_EQ(count, 2);
    EXPECT_EQ(text, "2 (of 4) futures unfinished");
  }
}

}  // namespace
