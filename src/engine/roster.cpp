#include "engine/roster.hpp"

#include "schedule/ranks.hpp"

#include <map>
#include <string>

namespace rankpool::engine {

std::vector<base::NodeLoad> Roster::loads(int workers) const {
  const std::lock_guard lock(mutex_);
  schedule::Ranks living;
  std::vector<base::NodeLoad> loads;
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const RankInfo& rank = ranks_[i];
    if (!rank.alive) continue;
    living.join(Rank{rank.rank}, rank.workers);
    const auto [place, fresh] = places.try_emplace(rank.host, loads.size());
    if (fresh) loads.push_back({rank.host, rank.rank, 0, 0, cores_of_node_[i]});
    ++loads[place->second].ranks;
  }
  for (const Rank rank : living.spread(workers))
    ++loads[places.at(ranks_[static_cast<std::size_t>(raw(rank))].host)].workers;
  return loads;
}

}  // namespace rankpool::engine
