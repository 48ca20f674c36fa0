#include "schedule/pool.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

// Groups: tasks that several fresh processes run together. Each takes the place of a worker, which rests meanwhile.
//
// A group begins when as many workers are idle as it has ranks. Until then the first in line keeps what falls idle on
// the nodes where it waits, as far as its reserve has grown (GroupQueue), and smaller ones may begin in what is left.
namespace rankpool::schedule {
namespace {

/// So many behind the first in line are looked at for one that fits.
constexpr std::size_t kLookedAt = 16;

}  // namespace

int Pool::retries_of(WorkId work) {
  const ManyItems* const many = common_.works.find_many(work);
  return many == nullptr ? policy_.max_retries : many->max_retries.value_or(policy_.max_retries);
}

Nanoseconds Pool::time_limit_of(WorkId work) {
  const ManyItems* const many = common_.works.find_many(work);
  return many == nullptr ? policy_.task_timeout : many->task_timeout.value_or(policy_.task_timeout);
}

int Pool::vacant_places() const noexcept {
  int vacant = 0;
  for (const auto& [id, group] : groups_) vacant += group.vacant;
  return vacant;
}

// -- places

std::vector<NodePlaces> Pool::places() const {
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
    result.push_back(node);
  }
  return result;
}

void Pool::serve_groups() {
  give_up_kept_places();
  waiting_on_.clear();
  fail_if_too_large();
  while (const auto first = queue_.at(0, backlog_.gone())) {
    if (backlog_.any_above(first->priority)) break;  // these go first
    const auto nodes = places();
    if (begin_group(*first, nodes)) continue;
    waiting_on_ = nodes_to_wait_on(nodes, first->ranks);
    keep_places(waiting_on_);
    break;
  }
  if (waiting_on_.empty()) return;
  for (std::size_t behind = 1; behind <= kLookedAt;) {
    const auto next = queue_.at(behind, backlog_.gone());
    if (!next) return;
    auto nodes = places();
    for (NodePlaces& node : nodes) {
      node.idle -= static_cast<std::size_t>(std::count_if(kept_.begin(), kept_.end(), [&](const Worker* worker) {
        return common_.ranks.node(worker->rank) == node.node;
      }));
    }
    if (!begin_group(*next, nodes)) {
      ++behind;
      continue;
    }
    queue_.overtaken(next->ranks);
    keep_places(waiting_on_);
  }
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

bool Pool::begin_group(const GroupQueue::Next& next, const std::vector<NodePlaces>& places) {
  // Where others wait for idle workers it is better to wait for a node that has room than to be torn apart.
  const bool fits_one = std::any_of(places.begin(), places.end(), [&](const auto& n) { return n.all >= next.ranks; });
  const auto shares = find_places(places, next.ranks, !fits_one || backlog_.empty());
  if (shares.empty()) return false;
  start_group(next, shares);
  return true;
}

void Pool::start_group(const GroupQueue::Next& next, const std::vector<NodeShare>& shares) {
  const GroupId id{common_.next_group++};
  Group& group = groups_[id];
  group.work = next.work;
  group.item = next.item;
  std::vector<Worker*> idle;
  for (Worker* const worker : members_) {
    if (worker->state == WorkerState::ready && worker->chunks.empty() && worker->placing != Placing::lent &&
        !worn_out(*worker)) {
      idle.push_back(worker);
    }
  }
  std::sort(idle.begin(), idle.end(),
            [](const Worker* a, const Worker* b) { return std::pair(a->rank, a->id) < std::pair(b->rank, b->id); });
  for (const NodeShare& share : shares) {
    std::size_t left = share.ranks;
    for (Worker* const worker : idle) {
      if (left == 0 || common_.ranks.node(worker->rank) != share.node) continue;
      // What was kept for another on this node is as good.
      std::erase(kept_, worker);
      worker->placing = Placing::lent;
      ready_.withhold(*worker);
      group.lenders.push_back(worker);
      group.ranks.push_back(worker->rank);
      --left;
    }
  }
  queue_.take(next);
  common_.groups[id] = id_;
  common_.actions.emplace_back(StartGroup{id, id_, ChunkId{common_.next_chunk++}, next.work, next.item, group.ranks,
                                          WorkerId{common_.next_worker}});
  common_.next_worker += 2 * static_cast<std::uint32_t>(group.ranks.size());
}

void Pool::keep_places(const std::vector<NodeId>& nodes) {
  const auto next = queue_.at(0, backlog_.gone());
  if (!next) return;
  const std::size_t most = std::min(queue_.reserve(), next->ranks);
  for (Worker* const worker : members_) {
    if (kept_.size() >= most) return;
    if (worker->state != WorkerState::ready || !worker->chunks.empty() || worker->placing != Placing::own) continue;
    if (std::find(nodes.begin(), nodes.end(), common_.ranks.node(worker->rank)) == nodes.end()) continue;
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
bool Pool::waited_for(const Worker& worker) const {
  const NodeId node = common_.ranks.node(worker.rank);
  return std::find(waiting_on_.begin(), waiting_on_.end(), node) != waiting_on_.end();
}

/// Whether it is to be given no more work, since its place will be the first in line's.
bool Pool::reserved(const Worker& worker) const {
  return !waiting_on_.empty() && queue_.reserve() > kept_.size() && waited_for(worker);
}

/// It ends, or is to.
void Pool::take_back_place(Worker& worker, bool to_be_replaced) {
  if (worker.placing == Placing::own) return;
  if (std::exchange(worker.placing, Placing::own) == Placing::kept) {
    std::erase(kept_, &worker);
    return;
  }
  for (auto& [id, group] : groups_) {
    if (std::erase(group.lenders, &worker) > 0 && to_be_replaced) ++group.vacant;
  }
}

void Pool::give_places_back(const Group& group) {
  for (Worker* const worker : group.lenders) {
    worker->placing = Placing::own;
    if (worker->state == WorkerState::ready) ready_.place(*worker);
  }
}

// -- lives

void Pool::end_group_item(Group& group, const Ending& how) {
  group.runs_out.reset();
  if (!std::exchange(group.item_ended, true)) end_items({group.work, group.item, 1}, how);
}

void Pool::group_began(GroupId id) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || found->second.item_ended || found->second.runs_out) return;
  const Nanoseconds limit = time_limit_of(found->second.work);
  if (limit > Nanoseconds{0}) found->second.runs_out = common_.now + limit;
}

void Pool::group_item_ended(GroupId id) {
  const auto found = groups_.find(id);
  if (found == groups_.end() || found->second.item_ended) return;
  Group& group = found->second;
  group.runs_out.reset();
  group.item_ended = true;
  retries_.erase({group.work, group.item});
  items_updated(group.work, 1);
  rest_later();
}

void Pool::group_declined(GroupId id) {
  group_item_ended(id);
  group_ended(id, LossId::none);
}

void Pool::group_initializer_failed(LossId loss) {
  if (!takes_chunks()) return;
  break_up(Breakage::initializer_failed, loss, {});
  kill_all(SIGKILL);
  update();
}

void Pool::group_cannot_start(GroupId id, LossId loss) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  end_group_item(found->second, {Reason::cannot_start, loss});
  rest_later();
}

void Pool::group_ended(GroupId id, LossId loss) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  Group& group = found->second;
  if (!group.item_ended) {
    const ItemKey key{group.work, group.item};
    const auto tried = retries_.find(key);
    const int tries = tried == retries_.end() ? 0 : tried->second.times;
    if (!policy_.replace_lost_workers) {
      break_up(Breakage::worker_lost, loss, {}, {id});
      kill_all(SIGKILL);
    } else if (tries < retries_of(group.work)) {
      retries_[key].times = tries + 1;
      common_.actions.emplace_back(RetryItem{group.work, group.item, loss});
      queue_.give_back(group.work, group.item);
    } else {
      end_group_item(group, {Reason::worker_lost, loss});
    }
  }
  give_places_back(group);
  groups_.erase(found);
  common_.groups.erase(id);
  update();
}

void Pool::kill_groups(int signal) {
  for (const auto& [id, group] : groups_) common_.actions.emplace_back(KillGroup{id, signal});
}

// -- time limits

std::optional<Time> Pool::next_group_limit() const noexcept {
  std::optional<Time> next;
  for (const auto& [id, group] : groups_) {
    if (group.runs_out && (!next || *group.runs_out < *next)) next = group.runs_out;
  }
  return next ? std::optional(*next + Nanoseconds{1}) : next;
}

void Pool::tick_groups() {
  bool any = false;
  for (auto& [id, group] : groups_) {
    if (!group.runs_out || common_.now <= *group.runs_out) continue;
    end_group_item(group, {Reason::task_timeout});
    common_.actions.emplace_back(KillGroup{id, SIGKILL});
    any = true;
  }
  if (any) update();
}

}  // namespace rankpool::schedule
