// Where the processes of a group go.
#include "schedule/places.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rankpool::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr NodeId kA{0};
constexpr NodeId kB{1};
constexpr NodeId kC{2};

TEST(Places, a_group_goes_to_one_node_that_has_room) {
  EXPECT_THAT(find_places({{kA, 1, 4}, {kB, 4, 4}}, 3, true), ElementsAre(NodeShare{kB, 3}));
}

TEST(Places, the_node_with_the_least_room_to_spare_is_taken) {
  EXPECT_THAT(find_places({{kA, 8, 8}, {kB, 2, 8}, {kC, 4, 8}}, 2, true), ElementsAre(NodeShare{kB, 2}));
}

TEST(Places, where_no_node_has_room_it_is_spread_over_few) {
  EXPECT_THAT(find_places({{kA, 1, 4}, {kB, 2, 4}, {kC, 3, 4}}, 5, true),
              ElementsAre(NodeShare{kB, 2}, NodeShare{kC, 3}));
}

TEST(Places, all_or_nothing) {
  EXPECT_THAT(find_places({{kA, 1, 4}, {kB, 2, 4}}, 4, true), IsEmpty());
  EXPECT_THAT(find_places({{kA, 2, 4}, {kB, 2, 4}}, 4, false), IsEmpty());
  EXPECT_THAT(find_places({}, 1, true), IsEmpty());
}

TEST(Places, a_group_waits_for_a_node_that_can_hold_it) {
  EXPECT_THAT(nodes_to_wait_on({{kA, 0, 2}, {kB, 1, 4}, {kC, 2, 4}}, 4), ElementsAre(kC));
  EXPECT_THAT(nodes_to_wait_on({{kA, 3, 3}, {kB, 0, 4}}, 4), ElementsAre(kB));
}

TEST(Places, a_group_that_no_node_can_hold_waits_for_the_largest) {
  EXPECT_THAT(nodes_to_wait_on({{kA, 0, 2}, {kB, 0, 4}, {kC, 0, 3}}, 6), ElementsAre(kB, kC));
}

}  // namespace
}  // namespace rankpool::schedule
