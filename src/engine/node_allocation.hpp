#pragma once

#include "base/cores.hpp"
#include "base/ids.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace rankpool::engine {

/// What a rank brings to its node, and asks of it.
struct RankAllowance {
  Rank rank;
  std::string host;
  base::CoreAllowance cores;
  int workers = 0;           ///< 0: as many as its part of the cores
  std::uint64_t memory = 0;  ///< bytes that it may use; 0: not known
};

/// What it gets.
struct RankShare {
  Rank rank;
  int workers = 0;
  int cores_of_node = 0;
  std::uint64_t memory_of_node = 0;  ///< the least that any of its ranks may use
};

/// Ranks of one node share its cores and its memory; each node is reckoned by itself. In the order of the allowances.
std::vector<RankShare> share_nodes(const std::vector<RankAllowance>& allowances);

}  // namespace rankpool::engine
