// What becomes of a task of several ranks, and who is to blame.
#include "engine/group_fate.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace rankpool::engine {
namespace {

using Verdict = GroupFate::Verdict;
using Death = GroupFate::Death;
using schedule::LossId;
using namespace std::chrono_literals;  // NOLINT

constexpr LossId kFirst{1};
constexpr LossId kSecond{2};

TEST(GroupFate, a_group_is_well_when_all_have_returned) {
  GroupFate fate(2, 1);
  fate.returned(1);
  EXPECT_EQ(fate.verdict(0s), Verdict::undecided);
  fate.returned(0);
  EXPECT_EQ(fate.verdict(0s), Verdict::well);
  fate.died(Death::by_signal, kFirst, 1s);
  EXPECT_EQ(fate.verdict(1s), Verdict::well);
}

TEST(GroupFate, a_death_after_the_result_of_rank_0_is_a_loss) {
  GroupFate fate(2, 1);
  fate.returned(0);
  fate.died(Death::exited, kFirst, 0s);
  EXPECT_EQ(fate.verdict(0s), Verdict::lost);
  EXPECT_EQ(fate.culprit(), kFirst);
}

TEST(GroupFate, the_exception_of_rank_0_decides_at_once) {
  GroupFate fate(3, 1);
  fate.threw(0, 0s);
  EXPECT_EQ(fate.verdict(0s), Verdict::threw);
  EXPECT_EQ(fate.thrower(), 0U);
}

TEST(GroupFate, lower_ranks_have_a_moment_to_throw_too) {
  GroupFate fate(3, 1);
  fate.threw(2, 0ms);
  EXPECT_EQ(fate.verdict(10ms), Verdict::undecided);
  EXPECT_EQ(fate.next_deadline(), GroupFate::Time(100ms));
  fate.threw(1, 50ms);
  EXPECT_EQ(fate.verdict(50ms), Verdict::undecided);
  EXPECT_EQ(fate.verdict(100ms), Verdict::threw);
  EXPECT_EQ(fate.thrower(), 1U);
  EXPECT_FALSE(fate.next_deadline());
}

TEST(GroupFate, nobody_is_waited_for_who_has_an_outcome) {
  GroupFate fate(3, 1);
  fate.threw(2, 0ms);
  fate.returned(0);
  EXPECT_EQ(fate.verdict(0ms), Verdict::undecided);
  fate.returned(1);
  EXPECT_EQ(fate.verdict(0ms), Verdict::threw);
  EXPECT_EQ(fate.thrower(), 2U);
}

TEST(GroupFate, an_exception_goes_before_the_death_that_follows_from_it) {
  GroupFate fate(2, 1);
  fate.threw(1, 0ms);
  fate.died(Death::exited, kFirst, 1ms);
  EXPECT_EQ(fate.verdict(1ms), Verdict::threw);
}

TEST(GroupFate, on_one_node_a_death_decides_at_once) {
  GroupFate fate(2, 1);
  fate.died(Death::aborted, kFirst, 0ms);
  EXPECT_EQ(fate.verdict(0ms), Verdict::lost);
}

TEST(GroupFate, across_nodes_who_aborts_may_only_have_heard_of_a_death_before_us) {
  GroupFate fate(2, 2);
  fate.died(Death::aborted, kFirst, 0ms);
  EXPECT_EQ(fate.verdict(0ms), Verdict::undecided);
  EXPECT_EQ(fate.next_deadline(), GroupFate::Time(50ms));
  fate.died(Death::by_signal, kSecond, 20ms);
  EXPECT_EQ(fate.verdict(20ms), Verdict::lost);
  EXPECT_EQ(fate.culprit(), kSecond);
}

TEST(GroupFate, across_nodes_nobody_is_waited_for_for_long) {
  GroupFate fate(2, 2);
  fate.died(Death::aborted, kFirst, 0ms);
  EXPECT_EQ(fate.verdict(50ms), Verdict::lost);
  EXPECT_EQ(fate.culprit(), kFirst);
}

TEST(GroupFate, who_exits_is_to_blame_and_not_who_aborts_for_it) {
  GroupFate fate(3, 2);
  fate.died(Death::aborted, kFirst, 0ms, 2);
  fate.died(Death::exited, kFirst, 1ms, 2);
  fate.died(Death::exited, kSecond, 2ms, 1);
  EXPECT_EQ(fate.verdict(50ms), Verdict::lost);
  EXPECT_EQ(fate.culprit(), kSecond);
}

TEST(GroupFate, who_aborts_exits_as_well_whatever_is_heard_of_first) {
  GroupFate fate(2, 1);
  fate.died(Death::exited, kFirst, 0ms, 1);
  EXPECT_EQ(fate.culprit(), kFirst);
  fate.died(Death::aborted, kSecond, 1ms, 1);
  EXPECT_EQ(fate.culprit(), kSecond);
}

TEST(GroupFate, of_equal_deaths_the_first_is_named) {
  GroupFate fate(3, 1);
  fate.died(Death::by_signal, kFirst, 0ms);
  fate.died(Death::by_signal, kSecond, 0ms);
  EXPECT_EQ(fate.verdict(0ms), Verdict::lost);
  EXPECT_EQ(fate.culprit(), kFirst);
}

}  // namespace
}  // namespace rankpool::engine
