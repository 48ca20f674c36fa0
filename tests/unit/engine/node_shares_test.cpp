#include "engine/node_shares.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::engine {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;

RankClaim claim(int rank, const std::string& host, std::vector<std::uint32_t> cores, int workers = 0) {
  return {Rank{rank}, host, {std::move(cores)}, workers};
}

TEST(NodeShares, RanksOfANodeShareItsCoresAndNoOthers) {
  EXPECT_THAT(share_nodes({claim(0, "b", {0, 1, 2, 3}), claim(1, "a", {0, 1}), claim(2, "b", {0, 1, 2, 3})}),
              ElementsAre(FieldsAre(Rank{0}, 2, 4), FieldsAre(Rank{1}, 2, 2), FieldsAre(Rank{2}, 2, 4)));
}

TEST(NodeShares, WorkersThatWereAskedForAreGivenAndLeaveTheOthersTheirPart) {
  EXPECT_THAT(share_nodes({claim(0, "a", {0, 1}, 7), claim(1, "a", {0, 1})}),
              ElementsAre(FieldsAre(Rank{0}, 7, 2), FieldsAre(Rank{1}, 1, 2)));
}

}  // namespace
}  // namespace rankpool::engine
