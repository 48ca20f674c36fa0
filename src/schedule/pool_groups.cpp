#include "schedule/pool.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

// Groups: tasks that several fresh processes run together. Each takes the place of a worker, which rests meanwhile.
namespace rankpool::schedule {

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

void Pool::start_group(const PlaceQueue::Next& next, const std::vector<NodeShare>& shares) {
  const GroupId id{common_.next_group++};
  Group& group = groups_[id];
  group.work = next.work;
  group.item = next.item;
  group.memory = next.memory;
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
      common_.memory.take(share.node, group.memory);
      --left;
    }
  }
  queue_.take(next);
  common_.groups[id] = id_;
  common_.actions.emplace_back(StartGroup{id, id_, ChunkId{common_.next_chunk++}, next.work, next.item, group.ranks,
                                          WorkerId{common_.next_worker}});
  common_.next_worker += 2 * static_cast<std::uint32_t>(group.ranks.size());
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
  for (const Rank rank : group.ranks) release_memory(rank, group.memory);
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
      queue_.give_back({group.work, group.item, 1});
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
