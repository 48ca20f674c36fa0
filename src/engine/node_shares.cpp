#include "engine/node_shares.hpp"

#include <cstddef>
#include <map>

namespace rankpool::engine {

std::vector<RankShare> share_nodes(const std::vector<RankClaim>& claims) {
  std::map<std::string, std::vector<std::size_t>> nodes;
  for (std::size_t i = 0; i < claims.size(); ++i) nodes[claims[i].host].push_back(i);
  std::vector<RankShare> shares(claims.size());
  for (const auto& [host, members] : nodes) {
    std::vector<base::CoreClaim> cores;
    for (const std::size_t i : members) cores.push_back(claims[i].cores);
    const std::vector<int> parts = base::share_cores(cores);
    const int together = base::cores_together(cores);
    for (std::size_t m = 0; m < members.size(); ++m) {
      const RankClaim& claim = claims[members[m]];
      shares[members[m]] = {claim.rank, claim.workers > 0 ? claim.workers : parts[m], together};
    }
  }
  return shares;
}

}  // namespace rankpool::engine
