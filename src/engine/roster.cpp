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
  for (const RankInfo& rank : ranks_) {
    if (!rank.alive) continue;
    if (rank.workers > 0) living.join(Rank{rank.rank}, rank.workers);
    const auto [place, fresh] = places.try_emplace(rank.host, loads.size());
    if (fresh) loads.push_back({rank.host, rank.rank, 0, 0, nodes_.at(rank.host).cores});
    ++loads[place->second].ranks;
  }
  for (const Rank rank : living.spread(workers))
    ++loads[places.at(ranks_[static_cast<std::size_t>(raw(rank))].host)].workers;
  return loads;
}

}  // namespace rankpool::engine
