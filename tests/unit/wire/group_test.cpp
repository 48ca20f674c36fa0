// What nurseries are told, and damaged.
#include "wire/group.hpp"

#include "wire/messages.hpp"

#include <gtest/gtest.h>

namespace rankpool::wire {
namespace {

GroupPlan plan() {
  GroupPlan plan;
  plan.name = "rankpool-n1-12-3";
  plan.node = 1;
  plan.crowded = true;
  plan.nodes = {{"n1", 2}, {"n2.cluster", 1}, {"n3", 3}};
  return plan;
}

TEST(GroupPlan, comes_home_as_it_went) { EXPECT_EQ(decode_plan(encode(plan())), plan()); }

TEST(GroupPlan, ranks_are_numbered_node_by_node) {
  const GroupPlan three = plan();
  EXPECT_EQ(three.first_on(0), 0U);
  EXPECT_EQ(three.first_on(1), 2U);
  EXPECT_EQ(three.first_on(3), 6U);
  EXPECT_EQ(three.node_of(1), 0U);
  EXPECT_EQ(three.node_of(2), 1U);
  EXPECT_EQ(three.node_of(5), 2U);
}

TEST(GroupPlan, what_is_cut_short_is_refused_or_another_plan) {
  const detail::Bytes whole = encode(plan());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      EXPECT_NE(decode_plan(whole.view().first(size)), plan());
    } catch (const ProtocolError&) {
    }
  }
}

TEST(GroupPlan, a_node_that_is_none_of_its_own_is_refused) {
  GroupPlan wrong = plan();
  wrong.node = 3;
  EXPECT_THROW(decode_plan(encode(wrong)), ProtocolError);
}

TEST(Environments, come_home_as_they_went) {
  const std::vector<Variables> environments{{"A=1", "B="}, {}, {"C=x y"}};
  EXPECT_EQ(decode_environments(encode(environments)), environments);
  EXPECT_TRUE(decode_environments(encode(std::vector<Variables>{})).empty());
}

TEST(Environments, what_is_cut_short_is_refused_or_shorter) {
  const std::vector<Variables> environments{{"A=1", "B=2"}, {"C=3"}};
  const detail::Bytes whole = encode(environments);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    try {
      EXPECT_LT(decode_environments(whole.view().first(size)).size(), 2U);
    } catch (const ProtocolError&) {
    }
  }
}

}  // namespace
}  // namespace rankpool::wire
