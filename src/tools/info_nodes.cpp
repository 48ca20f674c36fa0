#include "tools/info_nodes.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

namespace rankpool::tools {

int Node::usable() const {
  if (facts == nullptr) return 0;
  const int count = facts->slurm_cores > 0 ? facts->slurm_cores : static_cast<int>(cores.size());
  return facts->core_limit > 0 ? std::min(count, facts->core_limit) : count;
}

std::vector<Node> nodes_of(const Sight& sight) {
  std::vector<Node> nodes;
  std::map<std::string, std::size_t> places;
  for (const auto& rank : sight.ranks) {
    const auto [place, fresh] = places.try_emplace(rank.host, nodes.size());
    if (fresh) nodes.emplace_back().host = rank.host;
    Node& node = nodes[place->second];
    node.ranks.push_back(&rank);
    node.workers += rank.workers;
    if (!rank.facts) continue;
    if (node.facts == nullptr) node.facts = &*rank.facts;
    node.cores.insert(rank.facts->cores.begin(), rank.facts->cores.end());
  }
  return nodes;
}

std::string plural(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string bytes_text(std::optional<std::uint64_t> bytes) {
  if (!bytes) return "?";
  std::array<char, 32> text{};
  const double mib = static_cast<double>(*bytes) / static_cast<double>(1U << 20U);
  if (mib < 1024) {
    std::snprintf(text.data(), text.size(), "%.0f MiB", mib);
  } else {
    std::snprintf(text.data(), text.size(), "%.1f GiB", mib / 1024);
  }
  return text.data();
}

}  // namespace rankpool::tools
