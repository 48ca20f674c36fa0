#include "base/idler.hpp"

#include <gtest/gtest.h>

namespace rankpool::base {
namespace {

using namespace std::chrono_literals;

/// A loop whose time does not pass by itself.
class Idling : public testing::Test {
 protected:
  /// Finds nothing for as long as `gap`, looking once a microsecond, and then something. True if it slept meanwhile.
  bool slept_in(std::chrono::nanoseconds gap, bool oversubscribed = false, bool core_to_spare = false) {
    bool slept = false;
    for (const auto end = now + gap; now < end; now += slept ? end - now : 1us) {
      if (!idler.look_again(now, oversubscribed, [&] { return core_to_spare; })) {
        slept = true;
        spun += now - (end - gap);
      }
    }
    idler.worked(now);
    now += 1us;
    return slept;
  }

  static bool no_core_to_spare() { return false; }

  Idler::Clock::time_point now = Idler::Clock::now();
  Idler idler;
  std::chrono::nanoseconds spun{0};  ///< in vain
};

TEST_F(Idling, short_gaps_are_spun_through_however_many) {
  for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(slept_in(20us)) << i;
}

TEST_F(Idling, long_gaps_are_slept_through) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(slept_in(1ms));
}

TEST_F(Idling, spinning_in_vain_takes_a_small_part_of_the_time) {
  const auto begin = now;
  for (int i = 0; i < 10'000; ++i) slept_in(i % 3 == 0 ? 400us : 100us);  // not long, but longer than it spins
  EXPECT_LT(spun, (now - begin) / 20);
}

TEST_F(Idling, with_a_core_to_spare_longer_gaps_are_spun_through_too) {
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(slept_in(120us, false, true)) << i;
  int slept = 0;
  for (int i = 0; i < 1000; ++i) slept += slept_in(120us) ? 1 : 0;
  EXPECT_GT(slept, 900);
}

TEST_F(Idling, with_a_core_to_spare_too_spinning_in_vain_takes_a_small_part_of_the_time) {
  const auto begin = now;
  for (int i = 0; i < 10'000; ++i) slept_in(i % 3 == 0 ? 400us : 100us, false, true);
  EXPECT_LT(spun, (now - begin) / 20);
}

TEST_F(Idling, one_short_gap_between_long_ones_is_no_reason_to_spin) {
  for (int i = 0; i < 100; ++i) slept_in(10ms);
  spun = 0ns;
  const auto begin = now;
  for (int i = 0; i < 100; ++i) {
    slept_in(60us);
    slept_in(10ms);
  }
  EXPECT_LT(spun, (now - begin) / 200);
}

TEST_F(Idling, gaps_that_are_short_but_longer_than_it_spins_are_slept_through) {
  idler = Idler(true);
  for (int i = 0; i < 10'000; ++i) slept_in(100us);
  spun = 0ns;
  const auto begin = now;
  for (int i = 0; i < 10'000; ++i) slept_in(i % 2 == 0 ? 35us : 80us);
  EXPECT_LT(spun, (now - begin) / 100);
}

TEST_F(Idling, on_one_core_it_does_not_look_twice_unless_it_spins) {
  idler = Idler(true);
  EXPECT_TRUE(slept_in(1ms)) << "spun in vain";
  EXPECT_FALSE(idler.look_again(now, false, no_core_to_spare));
}

TEST_F(Idling, gaps_that_become_short_are_found_out_soon) {
  for (int i = 0; i < 1000; ++i) slept_in(10ms);
  int slept = 0;
  for (int i = 0; i < 5000; ++i) slept += slept_in(30us) ? 1 : 0;
  EXPECT_LT(slept, 10);
}

TEST_F(Idling, nobody_spins_in_a_crowd) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(slept_in(20us, true));
  EXPECT_FALSE(slept_in(1us, true)) << "a second look costs nothing";
}

TEST_F(Idling, who_wakes_up_for_nothing_sleeps_on) {
  EXPECT_TRUE(idler.look_again(now, false, no_core_to_spare));
  now += 1s;
  EXPECT_FALSE(idler.look_again(now, false, no_core_to_spare));
  now += 1s;
  EXPECT_FALSE(idler.look_again(now, false, no_core_to_spare));
}

}  // namespace
}  // namespace rankpool::base
