#include "schedule/places.hpp"

#include <algorithm>

namespace rankpool::schedule {

std::vector<NodeShare> find_places(std::vector<NodePlaces> nodes, std::size_t ranks, bool may_spread) {
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.idle < b.idle; });
  const auto best = std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.idle >= ranks; });
  if (best != nodes.end()) return {{best->node, ranks}};
  std::vector<NodeShare> shares;
  for (auto node = nodes.rbegin(); may_spread && ranks > 0 && node != nodes.rend() && node->idle > 0; ++node) {
    const std::size_t here = std::min(node->idle, ranks);
    shares.push_back({node->node, here});
    ranks -= here;
  }
  if (ranks > 0) shares.clear();
  std::sort(shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.node < b.node; });
  return shares;
}

std::vector<NodeId> nodes_to_wait_on(std::vector<NodePlaces> nodes, std::size_t ranks) {
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.idle > b.idle; });
  const auto one = std::find_if(nodes.begin(), nodes.end(), [&](const auto& node) { return node.all >= ranks; });
  if (one != nodes.end()) return {one->node};
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.all > b.all; });
  std::vector<NodeId> several;
  for (const NodePlaces& node : nodes) {
    if (ranks == 0) break;
    several.push_back(node.node);
    ranks -= std::min(ranks, node.all);
  }
  return several;
}

}  // namespace rankpool::schedule
