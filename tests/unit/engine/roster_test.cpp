#include "engine/roster.hpp"

#include <gtest/gtest.h>

namespace rankpool::engine {
namespace {

void expect_load(const base::NodeLoad& load, const std::string& host, int first_rank, int ranks, int workers,
                 int cores) {
  EXPECT_EQ(load.host, host);
  EXPECT_EQ(load.first_rank, first_rank);
  EXPECT_EQ(load.ranks, ranks);
  EXPECT_EQ(load.workers, workers);
  EXPECT_EQ(load.cores, cores);
}

/// A node of one core, and one of three with two ranks.
class RosterOfThree : public ::testing::Test {
 protected:
  RosterOfThree() {
    roster.joined({Rank{0}, "n1", 10, 11, 1, 1});
    roster.joined({Rank{1}, "n2", 12, 13, 2, 3});
    roster.joined({Rank{2}, "n2", 14, 15, 1, 3});
  }
  Roster roster;
};

TEST_F(RosterOfThree, nodes_have_the_workers_of_their_ranks) {
  EXPECT_EQ(roster.capacity(), 4);
  const auto loads = roster.loads(4);
  ASSERT_EQ(loads.size(), 2);
  expect_load(loads[0], "n1", 0, 1, 1, 1);
  expect_load(loads[1], "n2", 1, 2, 3, 3);
}

TEST_F(RosterOfThree, workers_beyond_the_capacity_go_in_turn) {
  const auto loads = roster.loads(8);
  expect_load(loads[0], "n1", 0, 1, 3, 1);
  expect_load(loads[1], "n2", 1, 2, 5, 3);
}

TEST_F(RosterOfThree, lost_ranks_have_none) {
  roster.lost(Rank{1});
  EXPECT_EQ(roster.capacity(), 2);
  const auto loads = roster.loads(2);
  expect_load(loads[0], "n1", 0, 1, 1, 1);
  expect_load(loads[1], "n2", 2, 1, 1, 3);
}

TEST(Roster, rank_that_takes_no_part_does_not_live) {
  Roster roster;
  roster.joined({Rank{0}, "n1", 10, 11, 1, 1});
  roster.joined({Rank{2}, "n2", 14, 15, 1, 3});
  const auto ranks = roster.ranks();
  ASSERT_EQ(ranks.size(), 3);
  EXPECT_EQ(ranks[1].rank, 1);
  EXPECT_FALSE(ranks[1].alive);
  EXPECT_EQ(roster.loads(2).size(), 2);
}

}  // namespace
}  // namespace rankpool::engine
