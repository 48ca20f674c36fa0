#include "base/gathering.hpp"

#include <gtest/gtest.h>

namespace rankpool::base {
namespace {

using namespace std::chrono_literals;
using Time = Load::Time;

constexpr Time kStart{1h};

/// Turns of 10 µs for so long, of which one in `of` has nothing to do.
Time spend(Load& load, Time from, std::chrono::nanoseconds time, int of) {
  int turn = 0;
  Time now = from;
  for (; now < from + time; now += 10us) load.turn(now, ++turn % of != 0);
  return now;
}

TEST(Load, is_busy_once_it_has_hardly_had_a_turn_without_work_for_a_while_and_until_half_of_them_are) {
  Load load;
  EXPECT_FALSE(load.busy());
  Time now = spend(load, kStart, 10ms, 1'000'000);
  EXPECT_TRUE(load.busy());
  now = spend(load, now, 10ms, 3);  // two thirds
  EXPECT_TRUE(load.busy());
  now = spend(load, now, 10ms, 1);  // nothing
  EXPECT_FALSE(load.busy());
  now = spend(load, now, 10ms, 3);
  EXPECT_FALSE(load.busy());
}

TEST(Load, a_few_turns_with_work_after_a_sleep_are_no_load) {
  Load load;
  Time now = kStart;
  for (int i = 0; i < 100; ++i) {
    for (int turn = 0; turn < 5; ++turn) load.turn(now += 20us, true);
    load.turn(now += 20us, false);
    now += 200us;  // asleep
    EXPECT_FALSE(load.busy());
  }
}

TEST(Load, of_one_that_sleeps_for_long_is_none) {
  Load load;
  Time now = spend(load, kStart, 10ms, 1'000'000);
  load.turn(now, false);
  load.turn(now + 1s, true);
  EXPECT_FALSE(load.busy());
}

TEST(Gathering, while_rank_0_is_not_busy_each_message_leaves_at_once) {
  Gathering gathering;
  for (std::uint64_t sent = 1; sent < 5; ++sent) {
    EXPECT_TRUE(gathering.may_send(kStart));
    gathering.sent(kStart, sent);
  }
  EXPECT_FALSE(gathering.look_again(kStart));
}

TEST(Gathering, while_it_is_one_is_under_way_until_rank_0_says_that_it_has_it) {
  Gathering gathering;
  gathering.heard_busy(kStart, 0);
  EXPECT_TRUE(gathering.may_send(kStart));
  gathering.sent(kStart, 1);
  EXPECT_FALSE(gathering.may_send(kStart + 10us));
  gathering.heard_busy(kStart + 20us, 0);  // sent before it came there
  EXPECT_FALSE(gathering.may_send(kStart + 20us));
  gathering.heard_busy(kStart + 30us, 1);
  EXPECT_TRUE(gathering.may_send(kStart + 30us));
}

TEST(Gathering, a_rank_0_that_is_not_busy_any_more_ends_the_wait) {
  Gathering gathering;
  gathering.heard_busy(kStart, 0);
  gathering.sent(kStart, 1);
  gathering.heard_free();
  EXPECT_TRUE(gathering.may_send(kStart));
  EXPECT_FALSE(gathering.look_again(kStart));
}

TEST(Gathering, without_an_answer_nothing_waits_for_ever) {
  Gathering gathering;
  gathering.heard_busy(kStart, 0);
  Time now = kStart;
  auto waited = 0ns;
  for (std::uint64_t sent = 1; sent < 20; ++sent) {
    gathering.sent(now, sent);
    EXPECT_FALSE(gathering.may_send(now));
    waited = gathering.due() - now;
    EXPECT_LE(waited, pace::kGatheredWithin);
    now = gathering.due();
    EXPECT_TRUE(gathering.may_send(now));
  }
  EXPECT_EQ(waited, pace::kGatheredWithin);  // a receiver that is overwhelmed is not sent more and more
}

TEST(Gathering, waits_a_few_times_as_long_as_answers_take) {
  Gathering gathering;
  Time now = kStart;
  for (std::uint64_t sent = 1; sent < 50; ++sent) {
    gathering.heard_busy(now, sent - 1);
    gathering.sent(now, sent);
    now += 5ms;
  }
  EXPECT_GT(gathering.due() - (now - 5ms), 15ms);
  EXPECT_LT(gathering.due() - (now - 5ms), 25ms);
  gathering.heard_busy(now, 49);
  for (std::uint64_t sent = 50; sent < 100; ++sent) {
    gathering.sent(now, sent);
    now += 100us;
    gathering.heard_busy(now, sent);
  }
  gathering.sent(now, 100);
  EXPECT_LT(gathering.due() - now, 1ms);
}

TEST(Gathering, looks_by_itself_while_answers_come_and_asks_to_be_rung_once_none_has_come_for_a_while) {
  Gathering gathering;
  gathering.heard_busy(kStart, 0);
  for (Time now = kStart; now <= kStart + pace::kAnswersCease; now += 1ms) {
    const auto look = gathering.look_again(now);
    ASSERT_TRUE(look);
    EXPECT_GT(*look, now);
    EXPECT_LE(*look, now + pace::kLookForAnswerAtMost);
  }
  EXPECT_FALSE(gathering.look_again(kStart + pace::kAnswersCease + 1ms));
}

}  // namespace
}  // namespace rankpool::base
