// The scheduler in worlds of make-believe: programs, deaths and cancellations at random, from seeds.
#include "world.hpp"

#include <gtest/gtest.h>

namespace rankpool::schedule::testing {
namespace {

struct Sums {
  std::uint64_t run = 0;
  std::uint64_t failed = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t retried = 0;
  std::uint64_t most_outstanding = 0;
};

Sums play(WorldOptions options, std::uint32_t worlds) {
  Sums sums;
  for (std::uint32_t seed = 0; seed < worlds; ++seed) {
    options.seed = seed;
    World world(options);
    world.run();
    if (world.error) {
      ADD_FAILURE() << *world.error;
      break;
    }
    sums.run += world.items_run;
    sums.failed += world.items_failed;
    sums.cancelled += world.items_cancelled;
    sums.retried += world.items_retried;
    sums.most_outstanding = std::max(sums.most_outstanding, world.most_outstanding);
  }
  return sums;
}

// BRK-04, BRK-06, BRK-08, DLK-19, DLK-20, DLK-23, SHU-21, TKW-10
TEST(Worlds, every_item_ends_exactly_once_whatever_dies_is_cancelled_or_stopped) {
  const Sums sums = play({}, 3000);
  EXPECT_GT(sums.run, 10'000U);
  EXPECT_GT(sums.failed, 1'000U);
  EXPECT_GT(sums.cancelled, 1'000U);
  EXPECT_GT(sums.retried, 100U);
}

TEST(Worlds, every_item_ends_exactly_once_on_many_ranks) {
  WorldOptions options;
  options.ranks = 9;
  options.pools = 4;
  options.events = 900;
  const Sums sums = play(options, 500);
  EXPECT_GT(sums.run, 10'000U);
}

// MTC-03, MTC-05, MTC-06, MTC-11, MTC-14, SHU-06, SHU-16
TEST(Worlds, without_deaths_and_cancellations_every_item_runs) {
  WorldOptions options;
  options.deaths = false;
  options.cancels = false;
  const Sums sums = play(options, 1000);
  EXPECT_GT(sums.run, 10'000U);
  EXPECT_GT(sums.most_outstanding, 3U);
}

TEST(Worlds, no_more_than_two_chunks_of_a_millisecond_are_handed_ahead) {
  WorldOptions options;
  options.chunk_time = Nanoseconds{1'000'000};
  options.events = 600;
  EXPECT_EQ(play(options, 1000).most_outstanding, 3U);
}

TEST(Worlds, long_chunks_are_never_handed_ahead) {
  WorldOptions options;
  options.chunk_time = Nanoseconds{20'000'000};
  EXPECT_EQ(play(options, 1000).most_outstanding, 1U);
}

}  // namespace
}  // namespace rankpool::schedule::testing
