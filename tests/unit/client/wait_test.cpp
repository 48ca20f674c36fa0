#include <rankpool/wait.hpp>

#include "futures.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <list>
#include <ranges>
#include <thread>

namespace rankpool::inline v0_2 {
namespace {

using detail::Pair;
using namespace std::chrono_literals;  // NOLINT: this is what the tests are written in

std::vector<Future<int>> futures_of(const std::vector<Pair<int>>& pairs) {
  std::vector<Future<int>> all;
  for (const auto& pair : pairs) all.push_back(pair.future);
  return all;
}

TEST(Wait, parts_done_from_not_done_at_the_timeout) {
  std::vector<Pair<int>> pairs(3);
  pairs[1].state->set_value(7);
  const auto [done, not_done] = wait(futures_of(pairs), {.timeout = 1ms});
  EXPECT_EQ(done, std::vector{pairs[1].future});
  EXPECT_EQ(not_done, (std::vector{pairs[0].future, pairs[2].future}));
}

TEST(Wait, returns_at_the_first_completed) {
  std::vector<Pair<int>> pairs(3);
  std::jthread ends([&] { EXPECT_TRUE(pairs[2].future.cancel()); });
  const auto result = wait(futures_of(pairs), {.return_when = ReturnWhen::FIRST_COMPLETED});
  EXPECT_EQ(result.done, std::vector{pairs[2].future});
}

TEST(Wait, returns_at_the_first_exception_which_a_cancelled_future_is_not) {
  std::vector<Pair<int>> pairs(4);
  EXPECT_TRUE(pairs[0].future.cancel());
  pairs[1].state->set_value(1);
  const WaitOptions poll{.timeout = 0s, .return_when = ReturnWhen::FIRST_EXCEPTION};
  EXPECT_EQ(wait(futures_of(pairs), poll).done.size(), 2U);
  std::jthread ends([&] { pairs[2].state->error(0, detail::encoded_error("x")); });
  const auto result = wait(futures_of(pairs), {.return_when = ReturnWhen::FIRST_EXCEPTION});
  EXPECT_EQ(result.done.size(), 3U);
  EXPECT_EQ(result.not_done, std::vector{pairs[3].future});
}

TEST(Wait, returns_when_all_have_completed_counting_each_once) {
  std::vector<Pair<int>> pairs(2);
  std::list<Future<int>> twice;
  for (int i = 0; i < 2; ++i) twice.insert(twice.end(), {pairs[0].future, pairs[1].future});
  std::jthread ends([&] {
    for (auto& pair : pairs) pair.state->set_value(1);
  });
  EXPECT_EQ(wait(twice).done.size(), 2U);
  EXPECT_TRUE(wait(std::vector<Future<int>>()).done.empty());
}

TEST(Wait, leaves_futures_that_end_later_unharmed) {
  std::vector<Pair<int>> pairs(2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(wait(futures_of(pairs), {.timeout = 0s}).not_done.size(), 2U);
  for (auto& pair : pairs) pair.state->set_value(3);
  EXPECT_EQ(pairs[0].future.result(), 3);
}

TEST(AsCompleted, gives_each_future_once_in_the_order_of_their_ends) {
  std::vector<Pair<int>> pairs(3);
  auto futures = futures_of(pairs);
  futures.push_back(futures.front());
  pairs[2].state->set_value(2);
  std::vector<int> order;
  for (const Future<int>& future : as_completed(futures)) {
    order.push_back(future.result(0s));
    if (order.size() < 3) pairs[order.size() - 1].state->set_value(static_cast<int>(order.size()) - 1);
  }
  EXPECT_EQ(order, (std::vector{2, 0, 1}));
}

TEST(AsCompleted, throws_at_the_timeout_and_says_how_many_are_left) {
  std::vector<Pair<int>> pairs(4);
  pairs[0].state->set_value(1);
  pairs[3].state->set_value(1);
  std::size_t given = 0;
  try {
    for ([[maybe_unused]] const auto& future : as_completed(futures_of(pairs), 1ms)) ++given;
    FAIL() << "no timeout";
  } catch (const TimeoutError& e) {
    EXPECT_STREQ(e.what(), "2 (of 4) futures unfinished");
  }
  EXPECT_EQ(given, 2U);
  for (auto& pair : pairs) pair.future.cancel();  // nobody is told any more
}

TEST(AsCompleted, gives_all_of_many_that_other_threads_end) {
  std::vector<Pair<int>> pairs(1'000);
  std::latch ready(3);
  std::vector<std::jthread> threads;
  for (std::size_t part = 0; part < 2; ++part) {
    threads.emplace_back([&, part] {
      ready.arrive_and_wait();
      for (std::size_t i = part; i < pairs.size(); i += 2) pairs[i].state->set_value(static_cast<int>(i));
    });
  }
  ready.arrive_and_wait();
  long sum = 0;
  for (const Future<int>& future : as_completed(futures_of(pairs), detail::kLong)) sum += future.result(0s);
  EXPECT_EQ(sum, 999L * 1'000 / 2);
}

static_assert(std::ranges::input_range<AsCompleted<int>>);
static_assert(std::ranges::view<AsCompleted<int>>);

TEST(AsCompleted, gives_the_same_future_however_often_it_is_dereferenced) {
  std::vector<Pair<int>> pairs(2);
  pairs[1].state->set_value(7);
  auto all = as_completed(futures_of(pairs));
  auto at = all.begin();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*at, pairs[1].future);
  EXPECT_EQ(at->result(), 7);
  pairs[0].state->set_value(8);
  ++at;
  for (int i = 0; i < 3; ++i) EXPECT_EQ((*at).result(), 8);
  ++at;
  EXPECT_EQ(at, all.end());
}

TEST(AsCompleted, can_be_piped_and_moved) {
  std::vector<Pair<int>> pairs(3);
  for (int i : {2, 0, 1}) pairs[static_cast<std::size_t>(i)].state->set_value(i);
  const auto odd_or_zero = [](const Future<int>& future) { return future.result() != 2; };
  std::vector<int> values;
  for (const int value : as_completed(futures_of(pairs)) | std::views::filter(odd_or_zero) |
                             std::views::transform([](const Future<int>& future) { return future.result() * 10; })) {
    values.push_back(value);
  }
  EXPECT_EQ(values, (std::vector{0, 10}));
  std::vector<Pair<int>> others(2);
  auto first = as_completed(futures_of(others));
  auto second = as_completed(futures_of(pairs));
  second = std::move(first);
  for (auto& pair : others) pair.state->set_value(1);  // who waited for the others is not told of these
  EXPECT_EQ(std::ranges::distance(second), 2);
  EXPECT_EQ(first.begin(), first.end());  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace rankpool::inline v0_2
