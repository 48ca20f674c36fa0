#include "schedule/ranks.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace rankpool::schedule {

void Ranks::join(Rank rank, int capacity, NodeId node) {
  const auto number = static_cast<std::size_t>(raw(rank));
  if (number >= ranks_.size()) ranks_.resize(number + 1);
  ranks_[number] = {std::max(capacity, 1), true, node};
}

void Ranks::lose(Rank rank) {
  if (alive(rank)) ranks_[static_cast<std::size_t>(raw(rank))].alive = false;
}

bool Ranks::alive(Rank rank) const {
  const auto number = static_cast<std::size_t>(raw(rank));
  return number < ranks_.size() && ranks_[number].alive;
}

int Ranks::capacity() const {
  std::int64_t sum = 0;
  for (const Entry& entry : ranks_) sum += entry.alive ? entry.capacity : 0;
  return static_cast<int>(std::min<std::int64_t>(sum, std::numeric_limits<int>::max()));
}

std::vector<Rank> Ranks::spread(int workers) const {
  std::vector<Rank> living;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (ranks_[i].alive) living.push_back(Rank{static_cast<std::int32_t>(i)});
  }
  std::vector<Rank> result;
  if (living.empty() || workers <= 0) return result;
  const auto wanted = static_cast<std::size_t>(workers);
  result.reserve(wanted);
  auto with_room = living;
  for (int round = 0; result.size() < wanted && !with_room.empty(); ++round) {
    std::erase_if(with_room, [&](Rank rank) { return ranks_[static_cast<std::size_t>(raw(rank))].capacity <= round; });
    for (std::size_t i = 0; i < with_room.size() && result.size() < wanted; ++i) result.push_back(with_room[i]);
  }
  while (result.size() < wanted) {
    for (std::size_t i = 0; i < living.size() && result.size() < wanted; ++i) result.push_back(living[i]);
  }
  return result;
}

std::optional<Rank> Ranks::emptiest(const std::vector<int>& workers) const {
  std::optional<Rank> best;
  std::int64_t best_workers = 0;
  std::int64_t best_capacity = 1;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    if (!ranks_[i].alive) continue;
    const std::int64_t here = i < workers.size() ? workers[i] : 0;
    if (!best || here * best_capacity < best_workers * ranks_[i].capacity) {
      best = Rank{static_cast<std::int32_t>(i)};
      best_workers = here;
      best_capacity = ranks_[i].capacity;
    }
  }
  return best;
}

}  // namespace rankpool::schedule
