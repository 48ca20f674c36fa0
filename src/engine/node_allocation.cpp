#include "engine/node_allocation.hpp"

#include <cstddef>
#include <map>

namespace rankpool::engine {

std::vector<RankShare> share_nodes(const std::vector<RankAllowance>& allowances) {
  std::map<std::string, std::vector<std::size_t>> nodes;
  for (std::size_t i = 0; i < allowances.size(); ++i) nodes[allowances[i].host].push_back(i);
  std::vector<RankShare> shares(allowances.size());
  for (const auto& [host, members] : nodes) {
    std::vector<base::CoreAllowance> cores;
    std::uint64_t memory = 0;
    for (const std::size_t i : members) {
      cores.push_back(allowances[i].cores);
      const std::uint64_t own = allowances[i].memory;
      if (own != 0 && (memory == 0 || own < memory)) memory = own;
    }
    const std::vector<int> parts = base::share_cores(cores);
    const int together = base::cores_together(cores);
    for (std::size_t m = 0; m < members.size(); ++m) {
      const RankAllowance& allowance = allowances[members[m]];
      shares[members[m]] = {allowance.rank, allowance.workers > 0 ? allowance.workers : parts[m], together, memory};
    }
  }
  return shares;
}

}  // namespace rankpool::engine
