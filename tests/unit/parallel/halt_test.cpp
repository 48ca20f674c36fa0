#include "parallel/halt.hpp"

#include "parallel/median.hpp"

#include <gtest/gtest.h>

namespace rankpool::parallel {
namespace {

Tally after(const char* halt, const std::vector<int>& statuses, std::optional<std::uint64_t> total = {}) {
  Tally tally(parse_halt(halt).value());
  for (const int status : statuses) {
    if (tally.halted() != Halt::When::never) break;
    tally.ended(status, total);
  }
  return tally;
}

TEST(Tally, the_status_is_the_number_of_failed_ones_up_to_101) {
  EXPECT_EQ(after("never", {0, 0}).exit_status(), 0);
  EXPECT_EQ(after("never", {0, 3, 137}).exit_status(), 2);
  EXPECT_EQ(after("never", std::vector<int>(100, 1)).exit_status(), 100);
  EXPECT_EQ(after("never", std::vector<int>(300, 1)).exit_status(), 101);
}

TEST(Tally, halted_by_its_first_failure_it_has_that_ones_status) {
  const Tally tally = after("soon,fail=1", {0, 7, 9});
  EXPECT_EQ(tally.halted(), Halt::When::soon);
  EXPECT_EQ(tally.done(), 2U);
  EXPECT_EQ(tally.exit_status(), 7);
  EXPECT_EQ(after("now,fail=1", {-1}).exit_status(), 255);
}

TEST(Tally, halted_by_several_failures_it_has_their_number) {
  EXPECT_EQ(after("now,fail=2", {4, 0, 5, 6}).exit_status(), 2);
}

TEST(Tally, halted_by_successes_it_has_succeeded) {
  const Tally tally = after("now,success=2", {0, 3, 0, 0});
  EXPECT_EQ(tally.done(), 3U);
  EXPECT_EQ(tally.exit_status(), 0);
}

TEST(Tally, halted_because_enough_are_done_it_counts_the_failed_ones) {
  EXPECT_EQ(after("soon,done=2", {0, 5, 6}).exit_status(), 1);
  EXPECT_EQ(after("soon,done=2", {0, 0, 6}).exit_status(), 0);
}

TEST(Tally, halted_because_one_is_done_it_has_that_ones_status) {
  EXPECT_EQ(after("now,done=1", {5, 6}).exit_status(), 5);
  EXPECT_EQ(after("now,done=1", {0, 6}).exit_status(), 0);
}

TEST(Tally, percentages_are_of_all_commands) {
  const Tally two_of_seven = after("soon,fail=20%", {0, 0, 3, 4, 5, 6, 7}, 7);
  EXPECT_EQ(two_of_seven.done(), 4U);
  EXPECT_EQ(two_of_seven.exit_status(), 29);
  EXPECT_EQ(after("now,fail=10%", {1, 1, 1}, 20).exit_status(), 10);
  EXPECT_EQ(after("now,fail=1%", {1, 1}, 20).done(), 1U);
  EXPECT_EQ(after("now,success=50%", {0, 3, 0, 3}, 4).exit_status(), 0);
  EXPECT_EQ(after("now,fail=1%", {1, 1, 1}, {}).halted(), Halt::When::never) << "of how many is not known";
}

TEST(Tally, a_percentage_of_one_command_has_that_ones_status) {
  EXPECT_EQ(after("now,fail=25%", {0, 7, 0, 0}, 4).exit_status(), 7);
}

TEST(Tally, a_percentage_that_is_not_reached_ends_with_that_of_the_failed_ones) {
  EXPECT_EQ(after("now,fail=90%", {0, 7, 0, 0}, 4).exit_status(), 25);
  EXPECT_EQ(after("now,success=100%", {0, 7, 0}, 3).exit_status(), 34);
}

TEST(Tally, what_ends_after_a_halt_changes_nothing) {
  Tally tally(parse_halt("soon,fail=1").value());
  for (const int status : {0, 7, 9}) tally.ended(status, {});
  EXPECT_EQ(tally.exit_status(), 7);
}

TEST(Median, is_the_middle_one_of_those_added) {
  Median median;
  EXPECT_EQ(median.value(), 0);
  for (const double value : {5.0, 1.0, 9.0}) median.add(value);
  EXPECT_EQ(median.value(), 5);
  median.add(2);
  EXPECT_EQ(median.value(), 2);
  EXPECT_EQ(median.count(), 4U);
}

}  // namespace
}  // namespace rankpool::parallel
