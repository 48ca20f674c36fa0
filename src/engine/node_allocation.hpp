#pragma once

#include "base/cores.hpp"
#include "base/ids.hpp"

#include <string>
#include <vector>

namespace rankpool::engine {

/// What a rank brings to its node, and asks of it.
struct RankAllowance {
  Rank rank;
  std::string host;
  base::CoreAllowance cores;
  int workers = 0;  ///< 0: as many as its part of the cores
};

/// What it gets.
struct RankShare {
  Rank rank;
  int workers = 0;
  int cores_of_node = 0;
};

/// Ranks of one node share its cores; each node is reckoned by itself. In the order of the allowances.
std::vector<RankShare> share_nodes(const std::vector<RankAllowance>& allowances);

}  // namespace rankpool::engine
