#include "base/alarm.hpp"

#include <gtest/gtest.h>
#include <poll.h>

namespace rankpool::base {
namespace {

using namespace std::chrono_literals;

class Alarms : public testing::Test {
 protected:
  using Clock = Alarm::Clock;

  /// Sleeps until it rings, or for so long. True if it rang.
  bool rings_within(std::chrono::milliseconds time) {
    pollfd fd{alarm.fd(), POLLIN, 0};
    if (::poll(&fd, 1, static_cast<int>(time.count())) != 1) return false;
    alarm.rang();
    return true;
  }

  Alarm alarm;
};

TEST_F(Alarms, rings_when_it_is_time_and_once) {
  const auto until = Clock::now() + 5ms;
  alarm.set(until);
  ASSERT_TRUE(rings_within(10s));
  EXPECT_GE(Clock::now(), until);
  EXPECT_FALSE(rings_within(20ms));
}

TEST_F(Alarms, never_rings_if_nothing_is_due) {
  alarm.set(std::nullopt);
  EXPECT_FALSE(rings_within(20ms));
}

TEST_F(Alarms, rings_by_the_earlier_of_two_times) {
  alarm.set(Clock::now() + 1h);
  alarm.set(Clock::now() + 1ms);
  EXPECT_TRUE(rings_within(10s));
}

TEST_F(Alarms, a_later_time_leaves_it_as_it_is) {
  alarm.set(Clock::now() + 1ms);
  alarm.set(Clock::now() + 1h);
  alarm.set(std::nullopt);
  EXPECT_TRUE(rings_within(10s));
}

TEST_F(Alarms, can_be_set_again_when_it_has_rung) {
  for (int i = 0; i < 3; ++i) {
    alarm.set(Clock::now() + 1ms);
    ASSERT_TRUE(rings_within(10s)) << i;
  }
}

TEST_F(Alarms, rings_at_once_for_what_is_past) {
  alarm.set(Clock::time_point());
  EXPECT_TRUE(rings_within(10s));
}

TEST(Roughly, is_as_late_again_by_two_milliseconds_at_most) {
  const Alarm::Clock::time_point now{1h};
  EXPECT_EQ(roughly(now + 1ms, now), now + 2ms);
  EXPECT_EQ(roughly(now + 64ms, now), now + 66ms);
  EXPECT_EQ(roughly(now - 1ms, now), now - 1ms);
}

}  // namespace
}  // namespace rankpool::base
