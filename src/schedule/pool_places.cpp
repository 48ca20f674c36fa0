#include "schedule/pool.hpp"

#include <algorithm>
#include <map>
#include <utility>

// What waits for places: groups, and items that have said how much memory they need.
//
// A group begins when as many workers are idle as it has ranks, an item when one is, and each where its node has the
// memory. Until then the first in line has what falls idle on the nodes where it waits kept for it, as far as its
// reserve has grown (PlaceQueue), and all memory there that it needs. Others may begin in what is left.
namespace rankpool::schedule {
namespace {

/// So many behind the first in line are looked at for one that fits.
constexpr std::size_t kLookedAt = 16;

bool contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

std::size_t all_of(const std::vector<NodePlaces>& places) {
  std::size_t all = 0;
  for (const NodePlaces& node : places) all += node.all;
  return all;
}

}  // namespace

std::vector<NodePlaces> Pool::places(const PlaceQueue::Next& next) const {
  std::map<NodeId, NodePlaces> nodes;
  for (const Worker* const worker : members_) {
    if (worker->state != WorkerState::ready && worker->state != WorkerState::starting) continue;
    NodePlaces& node = nodes[common_.ranks.node(worker->rank)];
    ++node.all;
    const bool idle = worker->state == WorkerState::ready && worker->chunks.empty() && worker->placing != Placing::lent;
    node.idle += idle && !worn_out(*worker) ? 1 : 0;
  }
  std::vector<NodePlaces> result;
  for (auto& [id, node] : nodes) {
    node.node = id;
    if (next.memory > 0) {
      node.idle = std::min<std::uint64_t>(node.idle, common_.memory.left(id) / next.memory);
      node.all = std::min<std::uint64_t>(node.all, common_.memory.all(id) / next.memory);
    }
    if (node.all > 0) result.push_back(node);
  }
  if (next.group) return result;
  const auto tried = retries_.find({next.work, next.item});
  const auto avoid = nodes_to_avoid(next.work, tried == retries_.end() ? std::vector<NodeId>{} : tried->second.on);
  auto elsewhere = result;
  std::erase_if(elsewhere, [&](const NodePlaces& node) { return contains(avoid, node.node); });
  return elsewhere.empty() ? result : elsewhere;
}

/// What the first in line leaves to another one.
std::vector<NodePlaces> Pool::places_behind(const PlaceQueue::Next& next) const {
  auto nodes = places(next);
  for (NodePlaces& node : nodes) {
    const auto kept = std::count_if(kept_.begin(), kept_.end(), [&](const Worker* worker) {
      return common_.ranks.node(worker->rank) == node.node;
    });
    node.idle -= std::min(node.idle, static_cast<std::size_t>(kept));
    for (const Claim& claim : claims_) {
      if (claim.node != node.node || next.memory == 0) continue;
      const std::uint64_t left = common_.memory.left(node.node);
      node.idle = std::min<std::uint64_t>(node.idle, (left - std::min(left, claim.bytes)) / next.memory);
    }
  }
  return nodes;
}

void Pool::serve_waiting() {
  give_up_kept_places();
  waiting_on_.clear();
  claims_.clear();
  fail_if_too_large();
  while (const auto first = queue_.at(0, backlog_.gone())) {
    if (backlog_.any_above(first->priority)) return;  // these go first
    const auto nodes = places(*first);
    if (begin(*first, nodes)) continue;
    if (never_fits(*first, nodes)) {
      queue_.take(*first);
      end_items({first->work, first->item, 1}, {Reason::no_memory});
      continue;
    }
    wait_on(*first, nodes);
    serve_behind_first();
    return;
  }
}

void Pool::serve_behind_first() {
  for (std::size_t behind = 1; behind <= kLookedAt;) {
    const auto next = queue_.at(behind, backlog_.gone());
    if (!next) return;
    if (!begin(*next, places_behind(*next))) {
      ++behind;
    } else if (!lacks_memory()) {
      queue_.overtaken(next->ranks);
      keep_places(waiting_on_);
    }
  }
}

void Pool::wait_on(const PlaceQueue::Next& first, const std::vector<NodePlaces>& places) {
  waiting_on_ = nodes_to_wait_on(places, first.ranks);
  for (const NodePlaces& node : places) {
    if (first.memory == 0 || !contains(waiting_on_, node.node)) continue;
    claims_.push_back({node.node, first.memory * std::min(first.ranks, node.all)});
  }
  if (!lacks_memory()) return keep_places(waiting_on_);
  auto& all = common_.short_of_memory;
  if (std::find(all.begin(), all.end(), id_) == all.end()) all.push_back(id_);
}

/// Whether it is memory that the first in line waits for. Places are kept for it only once it is not.
bool Pool::lacks_memory() const {
  return std::any_of(claims_.begin(), claims_.end(),
                     [&](const Claim& claim) { return common_.memory.left(claim.node) < claim.bytes; });
}

/// What the losses have left of the pool may be too small for some.
void Pool::fail_if_too_large() {
  if (wanted_ >= policy_.max_workers) return;
  const auto most = static_cast<std::size_t>(std::max(wanted_, 0));
  for (std::size_t i = 0; const auto next = queue_.at(i, UINT64_MAX);) {
    if (next->ranks <= most) {
      ++i;
      continue;
    }
    queue_.take(*next);
    end_items({next->work, next->item, 1}, {Reason::no_places});
  }
}

/// Whether all nodes on which the pool has workers, and will have some, have too little memory.
bool Pool::never_fits(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places) const {
  if (next.memory == 0 || all_of(places) >= next.ranks) return false;
  return !lacks_workers() && vacant_places() == 0 && count(WorkerState::stopping) == 0;
}

bool Pool::begin(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places) {
  if (!next.group) return begin_items(next, places);
  // Where others wait for idle workers it is better to wait for a node that has room than to be torn apart.
  const bool fits_one = std::any_of(places.begin(), places.end(), [&](const auto& n) { return n.all >= next.ranks; });
  const auto shares = find_places(places, next.ranks, !fits_one || backlog_.empty());
  if (shares.empty()) return false;
  start_group(next, shares);
  return true;
}

bool Pool::begin_items(const PlaceQueue::Next& next, const std::vector<NodePlaces>& places) {
  Worker* const worker = ready_.idle_where([&](Rank rank) {
    const NodeId node = common_.ranks.node(rank);
    return std::any_of(places.begin(), places.end(), [&](const auto& n) { return n.node == node && n.idle > 0; });
  });
  if (worker == nullptr) return false;
  const std::uint64_t count = backlog_.size_of_next(next.work, next.count, crew());
  queue_.take(next, count);
  worker->memory = next.memory;
  common_.memory.take(common_.ranks.node(worker->rank), next.memory);
  hand(*worker, {next.work, next.item, count});
  return true;
}

void Pool::keep_places(const std::vector<NodeId>& nodes) {
  const auto next = queue_.at(0, backlog_.gone());
  if (!next) return;
  const std::size_t most = std::min(queue_.reserve(), next->ranks);
  for (Worker* const worker : members_) {
    if (kept_.size() >= most) return;
    if (worker->state != WorkerState::ready || !worker->chunks.empty() || worker->placing != Placing::own) continue;
    if (!contains(nodes, common_.ranks.node(worker->rank))) continue;
    worker->placing = Placing::kept;
    ready_.withhold(*worker);
    kept_.push_back(worker);
  }
}

void Pool::give_up_kept_places() {
  for (Worker* const worker : kept_) {
    worker->placing = Placing::own;
    ready_.place(*worker);
  }
  kept_.clear();
}

/// Whether it is on a node where the first in line waits.
bool Pool::waited_for(const Worker& worker) const { return contains(waiting_on_, common_.ranks.node(worker.rank)); }

/// Whether it is to be given no more work, since its place will be the first in line's.
bool Pool::reserved(const Worker& worker) const {
  return !waiting_on_.empty() && !lacks_memory() && queue_.reserve() > kept_.size() && waited_for(worker);
}

/// Something else was handed to a worker for whose place the first in line waits.
void Pool::overtake_waiting(const Worker& worker) {
  if (waiting_on_.empty() || lacks_memory() || !waited_for(worker)) return;
  queue_.overtaken(1);
  keep_places(waiting_on_);
}

void Pool::release_memory(Rank rank, std::uint64_t bytes) {
  if (bytes == 0) return;
  common_.memory.give_back(common_.ranks.node(rank), bytes);
  for (const PoolId pool : std::exchange(common_.short_of_memory, {})) common_.dirty.push_back(pool);
}

void Pool::release_memory(Worker& worker) { release_memory(worker.rank, std::exchange(worker.memory, 0)); }

}  // namespace rankpool::schedule
