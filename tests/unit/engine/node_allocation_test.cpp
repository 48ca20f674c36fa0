#include "engine/node_allocation.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::engine {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;

RankAllowance allowance(int rank, const std::string& host, std::vector<std::uint32_t> cores, int workers = 0) {
  return {Rank{rank}, host, {std::move(cores)}, workers};
}

TEST(NodeAllocation, ranks_of_a_node_share_its_cores_and_no_others) {
  EXPECT_THAT(
      share_nodes({allowance(0, "b", {0, 1, 2, 3}), allowance(1, "a", {0, 1}), allowance(2, "b", {0, 1, 2, 3})}),
      ElementsAre(FieldsAre(Rank{0}, 2, 4, 0U), FieldsAre(Rank{1}, 2, 2, 0U), FieldsAre(Rank{2}, 2, 4, 0U)));
}

TEST(NodeAllocation, workers_that_were_asked_for_are_given_and_leave_the_others_their_part) {
  EXPECT_THAT(share_nodes({allowance(0, "a", {0, 1}, 7), allowance(1, "a", {0, 1})}),
              ElementsAre(FieldsAre(Rank{0}, 7, 2, 0U), FieldsAre(Rank{1}, 1, 2, 0U)));
}

TEST(NodeAllocation, a_node_has_the_memory_that_each_of_its_ranks_may_use) {
  auto allowances =
      std::vector{allowance(0, "a", {0}), allowance(1, "b", {0}), allowance(2, "a", {1}), allowance(3, "b", {1})};
  allowances[0].memory = 200;
  allowances[2].memory = 100;
  EXPECT_THAT(share_nodes(allowances), ElementsAre(FieldsAre(Rank{0}, 1, 2, 100U), FieldsAre(Rank{1}, 1, 2, 0U),
                                                   FieldsAre(Rank{2}, 1, 2, 100U), FieldsAre(Rank{3}, 1, 2, 0U)));
}

}  // namespace
}  // namespace rankpool::engine
