#pragma once

#include "base/ids.hpp"

#include <cstddef>
#include <vector>

namespace rankpool::schedule {

/// The workers of a pool on one node.
struct NodePlaces {
  NodeId node{};
  std::size_t idle = 0;
  std::size_t all = 0;  ///< busy ones and those in groups, too
  bool operator==(const NodePlaces&) const = default;
};

/// So many processes of a group on that node.
struct NodeShare {
  NodeId node{};
  std::size_t ranks = 0;
  bool operator==(const NodeShare&) const = default;
};

/// Idle places for a group of so many ranks: those of one node if one has enough, of these the node with the fewest, so
/// that larger groups find room elsewhere; else, if `may_spread`, of as few nodes as will do. Empty if there are too
/// few.
std::vector<NodeShare> find_places(std::vector<NodePlaces> nodes, std::size_t ranks, bool may_spread);

/// The nodes on which a group waits for places: one that can ever hold all of it if there is one, the one with the most
/// idle places of these; else the largest that do together.
std::vector<NodeId> nodes_to_wait_on(std::vector<NodePlaces> nodes, std::size_t ranks);

}  // namespace rankpool::schedule
