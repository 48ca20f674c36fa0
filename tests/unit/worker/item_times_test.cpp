#include "worker/item_times.hpp"

#include <gmock/gmock.h>

namespace rankpool::worker {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

constexpr ItemTimes::Clock::time_point kBegin{1s};

std::vector<std::uint64_t> ends_of(ItemTimes& times, std::uint64_t next, std::uint64_t& first, std::uint64_t& begin) {
  std::vector<std::uint64_t> ends;
  times.tell_rest(next, kBegin, [&](const ItemTimes::Times& told) {
    first = told.first;
    begin = told.begin;
    ends.assign(told.ends.begin(), told.ends.end());
  });
  return ends;
}

TEST(ItemTimes, each_end_is_told_once_behind_the_one_before) {
  ItemTimes times;
  times.begin(true, kBegin);
  times.ended(0, 10ns, kBegin + 10ns);
  times.ended(1, 5ns, kBegin + 15ns);
  std::uint64_t first = 9;
  std::uint64_t begin = 0;
  EXPECT_THAT(ends_of(times, 2, first, begin), ElementsAre(1'000'000'010U, 1'000'000'015U));
  EXPECT_EQ(first, 0U);
  EXPECT_EQ(begin, 1'000'000'000U);
  EXPECT_THAT(ends_of(times, 2, first, begin), ElementsAre());
  times.ended(2, 5ns, kBegin + 20ns);
  EXPECT_THAT(ends_of(times, 3, first, begin), ElementsAre(1'000'000'020U));
  EXPECT_EQ(first, 2U);
  EXPECT_EQ(begin, 1'000'000'015U);
}

TEST(ItemTimes, are_due_after_a_time_if_there_is_more_or_when_there_are_many) {
  ItemTimes times;
  times.begin(true, kBegin);
  times.ended(0, 1ns, kBegin + 1ns);
  EXPECT_FALSE(times.are_due(true, kBegin + 1ns));
  const auto late = kBegin + pace::kTimesShownWithin + 1ms;
  EXPECT_TRUE(times.are_due(true, late));
  EXPECT_FALSE(times.are_due(false, late)) << "the end of the chunk tells them";
  for (std::uint64_t item = 1; item < 4096; ++item) times.ended(item, 1ns, kBegin + 2ns);
  EXPECT_TRUE(times.are_due(false, kBegin + 2ns));
}

TEST(ItemTimes, with_nobody_who_watches_only_the_item_far_from_the_mean_is_told) {
  ItemTimes times;
  times.begin(false, kBegin);
  times.ended(0, 10us, kBegin + 10us);
  times.ended(1, 200us, kBegin + 210us);
  times.ended(2, 10us, kBegin + 220us);
  EXPECT_FALSE(times.are_due(true, kBegin + 1h));
  EXPECT_FALSE(times.far_from_mean(220us, 1)) << "a chunk of one has no mean to be far from";
  EXPECT_FALSE(times.far_from_mean(220us, 3)) << "not four times the mean";
  const auto far = times.far_from_mean(220us, 10);
  ASSERT_TRUE(far);
  EXPECT_EQ(far->first, 1U);
  EXPECT_EQ(far->begin, 1'000'010'000U);
  EXPECT_THAT(far->ends, ElementsAre(1'000'210'000U));
}

TEST(ItemTimes, a_new_chunk_forgets_the_longest_item_of_the_one_before) {
  ItemTimes times;
  times.begin(false, kBegin);
  times.ended(0, 1ms, kBegin + 1ms);
  times.begin(false, kBegin + 1ms);
  times.ended(0, 1us, kBegin + 1ms + 1us);
  EXPECT_FALSE(times.far_from_mean(1us, 100));
}

}  // namespace
}  // namespace rankpool::worker
