#include "schedule/pool.hpp"

#include <algorithm>

namespace rankpool::schedule {
namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

/// Whether the pool has, or will have, workers on nodes other than these.
bool Pool::has_other_nodes(const std::vector<NodeId>& than) const {
  for (std::size_t number = 0; number < on_rank_.size(); ++number) {
    const Rank rank{static_cast<int>(number)};
    if (on_rank_[number] > 0 && common_.ranks.alive(rank) && !contains(than, common_.ranks.node(rank))) return true;
  }
  return false;
}

std::vector<NodeId> Pool::nodes_to_avoid(WorkId work, std::vector<NodeId> failed_on) const {
  if (const ManyItems* const many = common_.works.find_many(work); many != nullptr && many->avoid) {
    for (const Rank rank : *many->avoid) {
      if (common_.ranks.alive(rank)) failed_on.insert(failed_on.begin(), common_.ranks.node(rank));
    }
  }
  while (!failed_on.empty() && !has_other_nodes(failed_on)) failed_on.erase(failed_on.begin());
  return failed_on;
}

/// The item is run where it has not failed, or where that was longest ago; in the end anywhere.
void Pool::run_elsewhere(const Range& item, std::vector<NodeId> failed_on) {
  if (const ManyItems* const many = common_.works.find_many(item.work); many != nullptr && many->waits_for_places()) {
    queue_.give_back(item);  // which looks for the nodes to avoid itself
    return;
  }
  auto avoid = nodes_to_avoid(item.work, std::move(failed_on));
  if (avoid.empty()) {
    backlog_.give_back(item);
  } else {
    elsewhere_.push_back({item, std::move(avoid)});
  }
}

void Pool::feed_elsewhere() {
  hand_to_idle_elsewhere();
  // Where workers are handed chunks ahead, none of them will be idle soon (worker_for_next).
  if (elsewhere_.empty() || backlog_.empty() || ready_.idle() != nullptr) return;
  if (count(WorkerState::starting) + count(WorkerState::stopping) > 0) return;
  const Crew crew = this->crew();
  if (backlog_.more_chunks_than(look_ahead_.reserve(crew.workers), crew)) hand_to_busy_elsewhere();
}

void Pool::hand_to_idle_elsewhere() {
  for (std::size_t i = 0; i < elsewhere_.size();) {
    const Elsewhere& one = elsewhere_[i];
    const Range item = one.item;
    Worker* const worker = ready_.idle_where([&](Rank rank) { return !contains(one.avoid, common_.ranks.node(rank)); });
    const bool alone = worker == nullptr && !has_other_nodes(one.avoid);
    if (worker == nullptr && !alone) {
      ++i;
      continue;
    }
    elsewhere_.erase(elsewhere_.begin() + static_cast<std::ptrdiff_t>(i));
    if (alone) {
      backlog_.give_back(item);
    } else {
      hand(*worker, item);
      overtake_waiting(*worker);
    }
  }
}

void Pool::hand_to_busy_elsewhere() {
  const std::size_t allowed = look_ahead_.allowed(crew().workers, ChunkSize::given);
  std::erase_if(elsewhere_, [&](const Elsewhere& one) {
    Worker* best = nullptr;
    for (Worker* const worker : members_) {
      if (worker->state != WorkerState::ready || !worker->returned || worker->chunks.empty()) continue;
      if (worker->chunks.size() > allowed || worn_out(*worker) || reserved(*worker)) continue;
      if (contains(one.avoid, common_.ranks.node(worker->rank))) continue;
      if (best == nullptr || worker->chunks.size() < best->chunks.size()) best = worker;
    }
    if (best != nullptr) hand(*best, one.item);
    return best != nullptr;
  });
}

void Pool::withdraw_elsewhere(WorkId work, std::vector<Range>& to) {
  std::erase_if(elsewhere_, [&](const Elsewhere& one) {
    if (one.item.work == work) to.push_back(one.item);
    return one.item.work == work;
  });
}

}  // namespace rankpool::schedule
