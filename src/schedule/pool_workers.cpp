#include "schedule/pool.hpp"

#include "base/pace.hpp"

#include <algorithm>
#include <csignal>

namespace rankpool::schedule {
namespace {

/// A start that fails once may be bad luck (memory, processes); one that always does is a fact.
constexpr int kFailedStartsInARow = 3;

}  // namespace

int Pool::alive() const noexcept {
  return count(WorkerState::starting) + count(WorkerState::ready) + count(WorkerState::stopping);
}

Crew Pool::crew() const noexcept {
  const auto workers = static_cast<std::size_t>(std::max(alive(), 1));
  return {workers, std::min(workers, common_.ranks.cores())};
}

int Pool::workers_alive() const noexcept { return takes_chunks() && !over_ ? alive() : 0; }

// -- starting

void Pool::open() {
  for (const Rank rank : common_.ranks.spread(wanted_)) start(rank);
}

void Pool::start(Rank rank) {
  const WorkerId id{common_.next_worker++};
  auto& worker = *common_.workers.insert(raw(id), std::make_unique<Worker>(id, *this, rank));
  worker.member = static_cast<std::uint32_t>(members_.size());
  members_.push_back(&worker);
  ++counts_[static_cast<std::size_t>(WorkerState::starting)];
  const auto number = static_cast<std::size_t>(raw(rank));
  if (number >= on_rank_.size()) on_rank_.resize(number + 1);
  ++on_rank_[number];
  common_.actions.emplace_back(StartWorker{id, id_, rank});
}

bool Pool::lacks_workers() const noexcept {
  if (!takes_chunks() || alive() + vacant_places() >= wanted_) return false;
  // A closed pool needs no more than can still be given something to do.
  const auto coming = static_cast<std::uint64_t>(count(WorkerState::starting));
  return phase_ == Phase::open || coming < backlog_.items() + elsewhere_.size() || !queue_.empty();
}

void Pool::start_missing() {
  while (lacks_workers()) {
    const auto rank = common_.ranks.emptiest(on_rank_);
    if (!rank) return;
    start(*rank);
  }
}

/// A worker has gone, another is to come: where it was, if that rank lives.
void Pool::replace_on(Rank rank) {
  if (common_.ranks.alive(rank) && lacks_workers()) start(rank);
}

void Pool::rank_joined() {
  if (takes_chunks() && members_.empty()) update();
}

void Pool::ready(Worker& worker) {
  if (worker.state != WorkerState::starting) return;
  failed_in_a_row_ = 0;
  change(worker, WorkerState::ready);
  ready_.place(worker);
  update();
}

void Pool::failed_to_start(Worker& worker, LossId loss) {
  const bool awaited = worker.state == WorkerState::starting && takes_chunks();
  const Rank rank = worker.rank;
  forget(worker);
  if (awaited) {
    if (alive() == 0) {
      break_up(Breakage::no_workers_start, loss, {});
    } else if (++failed_in_a_row_ > kFailedStartsInARow) {
      --wanted_;
    } else {
      replace_on(rank);
    }
  }
  update();
}

void Pool::initializer_failed(Worker& worker, LossId loss) {
  if (!takes_chunks() || worker.state == WorkerState::killed) return;
  break_up(Breakage::initializer_failed, loss, {});
  kill_all(SIGKILL);
  update();
}

// -- ending

void Pool::change(Worker& worker, WorkerState to) {
  --counts_[static_cast<std::size_t>(worker.state)];
  worker.state = to;
  ++counts_[static_cast<std::size_t>(to)];
}

void Pool::stop_gently(Worker& worker) {
  if (worker.state != WorkerState::starting && worker.state != WorkerState::ready) return;
  worker.chunks.clear();  // all items of it have ended, if it has not said yet that it is through
  take_back_place(worker, false);
  ready_.remove(worker);
  change(worker, WorkerState::stopping);
  common_.actions.emplace_back(StopWorker{worker.id});
}

void Pool::kill(Worker& worker, int signal) {
  if (worker.state == WorkerState::killed) return;
  stop_timer(worker);
  worker.chunks.clear();
  take_back_place(worker, false);
  ready_.remove(worker);
  change(worker, WorkerState::killed);
  --on_rank_[static_cast<std::size_t>(raw(worker.rank))];
  common_.actions.emplace_back(KillWorker{worker.id, signal});
}

void Pool::kill_all(int signal) {
  for (Worker* const worker : members_) kill(*worker, signal);
  kill_groups(signal);
}

void Pool::forget(Worker& worker) {
  stop_timer(worker);
  release_memory(worker);
  take_back_place(worker, true);
  ready_.remove(worker);
  --counts_[static_cast<std::size_t>(worker.state)];
  if (worker.state != WorkerState::killed) --on_rank_[static_cast<std::size_t>(raw(worker.rank))];
  members_.back()->member = worker.member;
  members_[worker.member] = members_.back();
  members_.pop_back();
  common_.workers.erase(raw(worker.id));
}

void Pool::stop(int signal) {
  if (phase_ == Phase::stopped) {  // once more, and more firmly
    for (const Worker* const worker : members_) common_.actions.emplace_back(KillWorker{worker->id, signal});
    kill_groups(signal);
    return;
  }
  if (phase_ == Phase::broken) return;
  phase_ = Phase::stopped;
  for (auto& [id, group] : groups_) end_group_item(group, {Reason::forced_stop});
  for (Worker* const worker : members_) {
    for (std::size_t i = 0; i < worker->chunks.size(); ++i) {
      const Chunk chunk = worker->chunks[i];
      Range rest{chunk.work, chunk.first + chunk.ended, chunk.count - chunk.ended};
      if (i == 0 && rest.count > 0) {
        end_items({rest.work, rest.first, 1}, {Reason::forced_stop});
        ++rest.first;
        --rest.count;
      }
      end_items(rest, {});
    }
    worker->chunks.clear();
  }
  seal_all_open();
  end_backlog({});
  retries_.clear();
  kill_all(signal);
  if (signal != SIGKILL) patience_ends_ = common_.now + pace::kForcedStop;
  update();
}

/// Every item of the pool fails: what the workers in `inside` were at with `worker_lost`, the rest with `pool_broken`.
void Pool::break_up(Breakage why, LossId loss, const std::vector<Worker*>& inside, const std::vector<GroupId>& lost) {
  phase_ = Phase::broken;
  loss_ = loss;
  common_.actions.emplace_back(PoolBroken{id_, why, loss});
  for (Worker* const worker : inside) {
    if (worker->chunks.empty()) continue;
    Chunk& chunk = worker->chunks.front();
    if (chunk.ended == chunk.count) continue;
    const std::uint64_t item = chunk.first + chunk.ended++;
    end_items({chunk.work, item, 1}, {Reason::worker_lost, loss});
  }
  for (const GroupId id : lost) end_group_item(groups_.at(id), {Reason::worker_lost, loss});
  const Ending broken{Reason::pool_broken, loss};
  for (auto& [id, group] : groups_) end_group_item(group, broken);
  for (Worker* const worker : members_) {
    for (std::size_t i = 0; i < worker->chunks.size(); ++i) {
      const Chunk chunk = worker->chunks[i];
      end_items({chunk.work, chunk.first + chunk.ended, chunk.count - chunk.ended}, broken);
    }
    worker->chunks.clear();
  }
  seal_all_open();
  end_backlog(broken);
  retries_.clear();
}

/// Gives back what a lost worker held. The item it was inside is tried again or ends as `item_inside` says.
void Pool::take_back(Worker& worker, bool inside, const Ending& item_inside) {
  const auto give_back = [&](const Range& range) {
    if (range.count == 0) return;
    if (is_cancelled(range.work)) {
      end_items(range, {});
    } else {
      this->give_back(range);
    }
  };
  while (!worker.chunks.empty()) {  // the last first, as each is put before those given back already
    const std::size_t last = worker.chunks.size() - 1;
    const Chunk chunk = worker.chunks[last];
    worker.chunks.erase(last);
    Range rest{chunk.work, chunk.first + chunk.ended, chunk.count - chunk.ended};
    if (last > 0 || !inside || rest.count == 0) {
      give_back(rest);
      continue;
    }
    const Range item{rest.work, rest.first, 1};
    give_back({rest.work, rest.first + 1, rest.count - 1});
    const auto tried = retries_.find({item.work, item.first});
    const int tries = tried == retries_.end() ? 0 : tried->second.times;
    if (item_inside.reason == Reason::worker_lost && tries < retries_of(item.work)) {
      Tried& now_tried = retries_[{item.work, item.first}];
      now_tried.times = tries + 1;
      now_tried.on.push_back(common_.ranks.node(worker.rank));
      common_.actions.emplace_back(RetryItem{item.work, item.first, item_inside.loss});
      run_elsewhere(item, now_tried.on);  // cancelled or not: it had begun
    } else {
      end_items(item, item_inside);
    }
  }
}

void Pool::lost(Worker& worker, LossId loss, bool inside) {
  take_back(worker, inside, {Reason::worker_lost, loss});
  const bool came_up = worker.state == WorkerState::ready;
  const Rank rank = worker.rank;
  forget(worker);
  if (!came_up && ++failed_in_a_row_ > kFailedStartsInARow) {
    --wanted_;
    if (alive() == 0 && wanted_ <= 0) break_up(Breakage::no_workers_start, loss, {});
    return;
  }
  replace_on(rank);
}

void Pool::ended(Worker& worker, LossId loss, bool inside_item) {
  if (worker.state == WorkerState::killed) {
    forget(worker);
  } else if (worker.state == WorkerState::stopping) {
    const Rank rank = worker.rank;
    forget(worker);
    replace_on(rank);
  } else if (policy_.replace_lost_workers) {
    lost(worker, loss, inside_item);
  } else {
    break_up(Breakage::worker_lost, loss, inside_item ? std::vector{&worker} : std::vector<Worker*>{});
    forget(worker);
    kill_all(SIGKILL);
  }
  update();
}

void Pool::rank_lost(Rank rank, LossId loss) {
  std::vector<Worker*> gone;
  std::vector<Worker*> missed;
  for (Worker* const worker : members_) {
    if (worker->rank != rank) continue;
    gone.push_back(worker);
    if (worker->state == WorkerState::starting || worker->state == WorkerState::ready) missed.push_back(worker);
  }
  if (gone.empty()) return;
  const bool breaks = !missed.empty() && !policy_.replace_lost_workers;
  if (breaks) {
    std::vector<GroupId> lost_groups;
    for (const auto& [id, group] : groups_) {
      if (std::find(group.ranks.begin(), group.ranks.end(), rank) != group.ranks.end()) lost_groups.push_back(id);
    }
    break_up(Breakage::rank_lost, loss, missed, lost_groups);
  } else {
    // The pool goes on with the rest; those gone are replaced only if it has no rest.
    for (Worker* const worker : missed) take_back(*worker, true, {Reason::worker_lost, loss});
  }
  for (Worker* const worker : gone) {
    if (worker->state != WorkerState::killed) --wanted_;
    take_back_place(*worker, false);
    forget(*worker);
  }
  if (breaks) kill_all(SIGKILL);
  if (alive() == 0) wanted_ = std::max(std::min(policy_.max_workers, common_.ranks.capacity()), 1);
  // Where the root runs no tasks the last rank that does may be gone.
  if (takes_chunks() && alive() == 0 && common_.ranks.capacity() == 0) break_up(Breakage::rank_lost, loss, {});
  update();
}

// -- time limits

void Pool::stop_timer(Worker& worker) {
  if (worker.by_deadline.linked) timed_.remove(worker);
}

std::optional<Time> Pool::next_deadline() const noexcept {
  std::optional<Time> next = patience_ends_;
  if (all_from_ && common_.now < *all_from_) next = next ? std::min(*next, *all_from_) : all_from_;
  if (!timed_.empty()) {
    // The limit itself is still within it.
    const Time runs_out = timed_.front()->runs_out + Nanoseconds{1};
    next = next ? std::min(*next, runs_out) : runs_out;
  }
  if (const auto runs_out = next_group_limit()) next = next ? std::min(*next, *runs_out) : runs_out;
  return next;
}

void Pool::tick() {
  const Time now = common_.now;
  tick_groups();
  while (!timed_.empty() && now > timed_.front()->runs_out) timed_out(*timed_.front());
  if (all_from_ && now >= *all_from_ && !backlog_.empty() && ready_.idle() != nullptr) update();
  if (patience_ends_ && now >= *patience_ends_) {
    patience_ends_.reset();
    for (const Worker* const worker : members_) common_.actions.emplace_back(KillWorker{worker->id, SIGKILL});
    kill_groups(SIGKILL);
  }
}

void Pool::timed_out(Worker& worker) {
  take_back(worker, true, {Reason::task_timeout});
  const Rank rank = worker.rank;
  kill(worker, SIGKILL);
  replace_on(rank);
  update();
}

}  // namespace rankpool::schedule
