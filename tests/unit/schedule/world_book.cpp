// The book of a world: what the scheduler decides is noted there, and compared with what it may decide.
#include "world.hpp"

#include <algorithm>
#include <limits>

namespace rankpool::schedule::testing {
namespace {

std::string name(WorkId work, std::uint64_t item) {
  return "item " + std::to_string(item) + " of work " + std::to_string(raw(work));
}

}  // namespace

/// Nothing waits that somebody could work on, and the clock is kept.
void World::check_rest() {
  struct Waiting {
    bool anywhere = false;
    std::vector<const Item*> elsewhere;  // than where they were lost
  };
  std::map<PoolId, Waiting> waiting;
  for (const auto& [id, work] : works_) {
    if (work.ended) continue;
    for (std::size_t i = 0; i < work.items.size() && !work.no_end; ++i) {
      const Item& item = work.items[i];
      if (item.state != State::waiting) continue;
      Waiting& own = waiting[work.pool];
      if (item.lost_inside == 0) own.anywhere = true;
      if (item.lost_inside > 0) own.elsewhere.push_back(&item);
    }
  }
  std::map<PoolId, int> counted;
  std::optional<Time> earliest;
  for (const auto& [id, worker] : processes_) {
    if (worker.life == Life::killed) continue;
    ++counted[worker.pool];
    const Waiting& own = waiting[worker.pool];
    const auto fits = [&](const Item* item) {
      return std::count(item->lost_on.begin(), item->lost_on.end(), worker.rank) == 0;
    };
    const bool some = own.anywhere || std::any_of(own.elsewhere.begin(), own.elsewhere.end(), fits);
    if (some && worker.life == Life::ready && worker.held.empty()) {
      wrong("worker " + std::to_string(raw(id)) + " is idle while items wait");
    }
    const auto limit = pools_[worker.pool].policy.task_timeout;
    if (limit.count() == 0 || !worker.inside) continue;
    if (now_ - worker.began > limit) wrong("worker " + std::to_string(raw(id)) + " was not stopped in time");
    if (!earliest || worker.began + limit < *earliest) earliest = worker.began + limit;
  }
  for (const auto& [id, items] : waiting) {
    const bool any = items.anywhere || !items.elsewhere.empty();
    const PoolBook& pool = pools_[id];
    if (any && counted[id] == 0) wrong("items wait in pool " + std::to_string(raw(id)) + " for nobody");
    if (any && (pool.broken || pool.stopped)) wrong("items wait in pool " + std::to_string(raw(id)) + ", dead");
  }
  for (const auto& [id, pool] : pools_) {
    const bool over = pool.broken || pool.stopped || pool.ended;
    if (scheduler_.workers_alive(id) != (over ? 0 : counted[id])) wrong("workers_alive is wrong");
  }
  const auto deadline = scheduler_.next_deadline();
  if (earliest && (!deadline || *deadline > *earliest + Nanoseconds{1})) wrong("next_deadline is too late");
}

void World::execute(const SendChunk& action) {
  const auto found = processes_.find(action.worker);
  if (found == processes_.end()) return;  // it has gone since
  Process& worker = found->second;
  if (worker.life != Life::ready) return wrong("a chunk for a worker that takes none");
  const PoolBook& pool = pools_[worker.pool];
  if (pool.broken || pool.stopped) return wrong("a chunk from a pool that is over");
  const auto work_found = works_.find(action.work);
  if (work_found == works_.end() || work_found->second.ended) return wrong("a chunk of no work");
  Work& work = work_found->second;
  const bool joins = pool.policy.max_chunks_per_worker == 0 && pool.policy.task_timeout.count() == 0;
  const std::uint32_t limit = work.spec.chunk == 0 ? work.spec.max_chunk : work.spec.chunk * (joins ? 85U : 1U);
  if (work.spec.chunk != 0 && action.count > work.spec.chunk && action.count % work.spec.chunk != 0 &&
      action.first + action.count != work.items.size()) {
    return wrong("half a chunk");
  }
  if (action.count == 0 || action.count > limit || action.first + action.count > work.items.size()) {
    return wrong("a chunk of " + std::to_string(action.count) + " items, limit " + std::to_string(limit));
  }
  for (std::uint64_t i = action.first; i < action.first + action.count; ++i) {
    Item& item = work.items[i];
    if (item.state != State::waiting) return wrong(name(action.work, i) + " handed out twice");
    if (!item.seen && i != work.next) return wrong(name(action.work, i) + " handed out of order");
    if (!item.seen) ++work.next;
    if (item.lost_inside > 0 && action.count != 1) return wrong(name(action.work, i) + " is tried again with others");
    if (item.lost_inside > pool.policy.max_retries) return wrong(name(action.work, i) + " tried too often");
    if (item.lost_inside > 0) ++items_retried;
    if (std::count(item.lost_on.begin(), item.lost_on.end(), worker.rank) > 0) {
      for (const auto& [id, other] : processes_) {
        const bool new_to_it = std::count(item.lost_on.begin(), item.lost_on.end(), other.rank) == 0;
        if (new_to_it && other.pool == worker.pool && other.life == Life::ready && other.held.empty()) {
          return wrong(name(action.work, i) + " is tried again where it was lost");
        }
      }
    }
    item.seen = true;
  }
  if (!worker.held.empty() && !declined_) {
    for (const auto& [id, other] : processes_) {
      const bool coming = other.life == Life::starting || (other.life == Life::ready && other.held.empty());
      if (other.pool == worker.pool && coming) return wrong("handed ahead while another is free or coming up");
    }
  }
  if (options_.cancels && action.count == 1 && work.spec.items == 1 && !work.spec.open &&
      chance(10)) {  // cancelled by its owner
    work.items[action.first].state = State::ended;
    ++items_cancelled;
    declined_ = true;
    scheduler_.chunk_declined(action.worker, action.chunk);
    return;
  }
  for (std::uint64_t i = action.first; i < action.first + action.count; ++i) work.items[i].state = State::handed_out;
  if (pool.policy.max_chunks_per_worker != 0 && ++worker.given > pool.policy.max_chunks_per_worker) {
    return wrong("a worker lives too long");
  }
  worker.held.push_back({action.chunk, action.work, action.first, action.count, 0});
  most_outstanding = std::max<std::uint64_t>(most_outstanding, worker.held.size());
}

void World::execute(const StartWorker& action) {
  if (static_cast<std::int64_t>(raw(action.worker)) <= last_worker_) return wrong("a worker's id was used before");
  last_worker_ = raw(action.worker);
  if (!ranks_[action.rank]) return;  // lost since; the scheduler has been told
  const PoolBook& pool = pools_[action.pool];
  if (pool.ended) return wrong("a worker for a pool that has ended");
  int others = 0;
  for (const auto& [id, worker] : processes_)
    others += worker.pool == action.pool && worker.life != Life::killed ? 1 : 0;
  if (others >= pool.policy.max_workers) return wrong("more workers than allowed");
  Process worker;
  worker.pool = action.pool;
  worker.rank = action.rank;
  processes_[action.worker] = worker;
}

void World::execute(const StopWorker& action) {
  const auto found = processes_.find(action.worker);
  if (found == processes_.end()) return;
  Process& worker = found->second;
  if (worker.life != Life::starting && worker.life != Life::ready) return wrong("a worker is stopped twice");
  if (!worker.held.empty()) return wrong("a worker is stopped with chunks left");
  worker.life = Life::stopping;
}

void World::execute(const KillWorker& action) {
  const auto found = processes_.find(action.worker);
  if (found == processes_.end()) return;
  Process& worker = found->second;
  if (worker.life == Life::killed && !pools_[worker.pool].stopped) return wrong("a worker is killed twice");
  worker.life = Life::killed;
  release(worker);
  worker.held.clear();
  worker.inside = false;
}

World::Work* World::ending(WorkId id, std::uint64_t first, std::uint64_t count) {
  const auto found = works_.find(id);
  if (found == works_.end() || found->second.ended) {
    wrong("items end of a work that has ended");
    return nullptr;
  }
  Work& work = found->second;
  if (count == 0) wrong("no item ends");
  if (first + count == std::numeric_limits<std::uint64_t>::max()) {
    work.no_end = true;
    work.open = false;
    return &work;
  }
  if (first + count > work.items.size()) wrong("more items end than there are");
  return &work;
}

void World::end_range(Work& work, std::uint64_t first, std::uint64_t count) {
  const std::uint64_t end = std::min<std::uint64_t>(first + count, work.items.size());
  for (std::uint64_t i = first; i < end && !error; ++i) {
    if (work.items[i].state == State::ended) return wrong("item " + std::to_string(i) + " ends twice");
    work.items[i].state = State::ended;
  }
}

void World::execute(const RetryItem& action) {
  Work& work = works_.at(action.work);
  const Item& item = work.items.at(action.item);
  if (item.state == State::ended) return wrong(name(action.work, action.item) + " is tried again after its end");
  if (item.lost_inside == 0) return wrong(name(action.work, action.item) + " was not lost");
  if (item.lost_inside > pools_[work.pool].policy.max_retries) return wrong("an item is tried too often");
  if (action.loss == LossId::none) return wrong("a retry without the loss");
}

void World::execute(const FailItems& action) {
  Work* const work = ending(action.work, action.first, action.count);
  if (work == nullptr || error) return;
  const PoolBook& pool = pools_[work->pool];
  if (action.reason != Reason::pool_broken && action.count != 1) return wrong("several items fail for one worker");
  switch (action.reason) {
    case Reason::worker_lost: {
      const Item& item = work->items[action.first];
      const bool last = pool.broken || item.lost_inside == pool.policy.max_retries + 1;
      if (!last) return wrong(name(action.work, action.first) + " was not tried often enough");
      if (item.lost_inside == 0) return wrong(name(action.work, action.first) + " was not lost");
      if (action.loss == LossId::none) return wrong("a loss without its number");
      break;
    }
    case Reason::pool_broken:
      if (!pool.broken) return wrong("items break with a pool that has not");
      break;
    case Reason::forced_stop:
      if (!pool.stopped) return wrong("items are stopped with a pool that was not");
      break;
    case Reason::task_timeout:
      if (pool.policy.task_timeout.count() == 0) return wrong("an item without a limit ran past it");
      break;
    case Reason::cannot_start:
    case Reason::no_places:
    case Reason::no_memory:
      return wrong("an item fails as only groups do");
  }
  end_range(*work, action.first, action.count);
  ++items_failed;
}

void World::execute(const CancelItems& action) {
  if (Work* const work = ending(action.work, action.first, action.count)) end_range(*work, action.first, action.count);
  ++items_cancelled;
}

void World::execute(const WorkEnded& action) {
  Work& work = works_.at(action.work);
  if (work.ended) return wrong("a work ends twice");
  if (work.open) return wrong("an open work ends");
  for (std::size_t i = 0; i < work.items.size(); ++i) {
    if (work.items[i].state != State::ended) return wrong(name(action.work, i) + " is left behind");
  }
  work.ended = true;
}

void World::execute(const PoolBroken& action) {
  PoolBook& pool = pools_.at(action.pool);
  if (pool.broken || pool.ended) return wrong("a pool breaks twice");
  if (action.loss == LossId::none) return wrong("a pool breaks for nothing");
  pool.broken = true;
}

void World::execute(const PoolEnded& action) {
  PoolBook& pool = pools_.at(action.pool);
  if (pool.ended) return wrong("a pool ends twice");
  if (!pool.closed && !pool.broken && !pool.stopped) return wrong("an open pool ends");
  for (const auto& [id, work] : works_) {
    if (work.pool == action.pool && !work.ended) return wrong("a pool ends before its works");
  }
  for (const auto& [id, worker] : processes_) {
    if (worker.pool == action.pool) return wrong("a pool ends before its workers");
  }
  pool.ended = true;
}

}  // namespace rankpool::schedule::testing
