#include "watch/clock_alignment.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace rankpool::watch {
namespace {

TEST(ClockAlignment, knows_nothing_before_the_first_round_trip) {
  EXPECT_FALSE(ClockAlignment().known());
  EXPECT_EQ(ClockAlignment().offset(), 0);
}

TEST(ClockAlignment, finds_an_offset_within_what_it_says_of_itself) {
  std::mt19937 random(1);
  std::exponential_distribution<double> delay(1.0 / 20'000);  // 20 us in the mean, each way
  for (const Time offset : {Time{-5 * kSecond}, Time{0}, Time{3'600 * kSecond}}) {
    ClockAlignment clock;
    Time now = kSecond;
    for (int i = 0; i < 2000; ++i) {
      const Time begin = now + 2'000 + static_cast<Time>(delay(random));
      const Time end = begin + 100'000;
      const Time received = end + 2'000 + static_cast<Time>(delay(random));
      clock.saw(now, begin + offset, end + offset, received);
      now = received;
    }
    EXPECT_LE(std::abs(clock.offset() - offset), clock.uncertainty());
    EXPECT_LT(clock.uncertainty(), 5'000);
  }
}

TEST(ClockAlignment, follows_a_clock_that_drifts) {
  ClockAlignment clock;
  Time offset = 0;
  for (Time now = kSecond; now < 600 * kSecond; now += kSecond / 10) {
    offset += 5'000;  // 50 ppm
    clock.saw(now, now + 10'000 + offset, now + 20'000 + offset, now + 30'000);
  }
  EXPECT_LT(std::abs(clock.offset() - offset), 4 * kMillisecond);
}

}  // namespace
}  // namespace rankpool::watch
