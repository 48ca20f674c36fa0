#include "world.hpp"

#include <algorithm>
#include <csignal>
#include <limits>
#include <utility>

namespace rankpool::schedule::testing {
namespace {

std::string name(WorkId work, std::uint64_t item) {
  return "item " + std::to_string(item) + " of work " + std::to_string(raw(work));
}

}  // namespace

World::World(const WorldOptions& options) : options_(options), random_(options.seed) {
  for (int rank = 0; rank < options_.ranks; ++rank) {
    ranks_[Rank{rank}] = true;
    scheduler_.rank_joined(Rank{rank}, 1 + static_cast<int>(roll(3)));
  }
  for (int i = 0; i < options_.pools; ++i) {
    PoolBook pool;
    pool.policy.max_workers = 1 + static_cast<int>(roll(5));
    pool.policy.replace_lost_workers = chance(2);
    pool.policy.max_retries = static_cast<int>(roll(3));
    pool.policy.max_chunks_per_worker = chance(3) ? 1 + static_cast<int>(roll(4)) : 0;
    pool.policy.task_timeout = Nanoseconds{chance(3) ? 50'000 : 0};
    const PoolId id{static_cast<std::uint32_t>(i)};
    pools_[id] = pool;
    scheduler_.pool_opened(id, pool.policy);
  }
}

void World::wrong(const std::string& what) {
  if (!error) error = "seed " + std::to_string(options_.seed) + ": " + what;
}

void World::run() {
  carry_out();
  for (int i = 0; i < options_.events && !error; ++i) {
    random_event();
    carry_out();
  }
  finish();
}

void World::tick(Nanoseconds by) {
  now_ += by;
  scheduler_.tick(now_);
}

void World::submit() {
  const PoolId pool = pick(pools_)->first;
  const WorkId id{next_work_++};
  Work work;
  work.pool = pool;
  if (chance(2)) {
    work.spec.items = roll(60);
    work.spec.open = work.open = chance(3);
    work.spec.chunk = chance(2) ? 1 + roll(7) : 0;
    if (chance(4)) work.spec.max_chunk = 1 + roll(3);
  }
  work.items.resize(work.spec.items);
  const WorkSpec spec = work.spec;
  const bool known = !pools_[pool].ended;
  works_[id] = std::move(work);
  scheduler_.work_submitted(pool, id, spec);
  if (!known) works_[id].no_end = true;
}

void World::random_event() {
  switch (roll(24)) {
    case 0:
    case 1:
    case 2:
      submit();
      return;
    case 3: {
      if (works_.empty()) return;
      auto& [id, work] = *pick(works_);
      if (!work.open || work.ended) return;
      const std::uint64_t more = 1 + roll(9);
      work.items.resize(work.items.size() + more);
      scheduler_.work_extended(id, more);
      return;
    }
    case 4: {
      if (works_.empty()) return;
      auto& [id, work] = *pick(works_);
      if (!work.open) return;
      work.open = false;
      scheduler_.work_sealed(id);
      return;
    }
    case 5: {
      if (works_.empty() || !options_.cancels || !chance(4)) return;
      auto& [id, work] = *pick(works_);
      work.open = false;
      scheduler_.work_cancelled(id);
      return;
    }
    case 6: {
      if (!chance(6)) return;
      auto& [id, pool] = *pick(pools_);
      switch (roll(4)) {
        case 0:
          pool.closed = true;
          scheduler_.pool_closed(id);
          return;
        case 1:
          pool.closed = true;
          scheduler_.pool_closed(id);
          scheduler_.pool_sealed(id);
          return;
        case 2:
          if (!options_.cancels) return;
          pool.closed = true;
          scheduler_.pool_closed(id);
          scheduler_.pool_cancelled(id);
          return;
        default:
          if (!options_.cancels || pool.ended) return;
          if (!pool.broken) pool.stopped = true;
          scheduler_.pool_stopped(id, chance(2) ? SIGTERM : SIGKILL);
          return;
      }
    }
    case 7:
      tick(Nanoseconds{roll(40'000)});
      return;
    case 8: {
      if (!options_.deaths || !chance(20)) return;
      const Rank rank = pick(ranks_)->first;
      if (raw(rank) != 0 && ranks_[rank]) lose_rank(rank);
      return;
    }
    case 9:
      if (options_.deaths && !processes_.empty() && chance(3)) end_worker(pick(processes_)->first);
      return;
    default:
      if (!processes_.empty()) step_worker(pick(processes_)->first);
  }
}

void World::step_worker(WorkerId id) {
  Process& worker = processes_.at(id);
  switch (worker.life) {
    case Life::killed:
      if (!calm_ && chance(2)) {  // what was on its way when it was killed
        scheduler_.items_ended(id, 1);
        scheduler_.chunk_done(id, Nanoseconds{5});
        return;
      }
      [[fallthrough]];
    case Life::stopping:
      end_worker(id);
      return;
    case Life::starting:
      if (options_.deaths && !calm_ && chance(15)) {
        processes_.erase(id);
        scheduler_.worker_failed_to_start(id, LossId{next_loss_++});
      } else if (options_.deaths && !calm_ && chance(60)) {
        scheduler_.initializer_failed(id, LossId{next_loss_++});
      } else {
        worker.life = Life::ready;
        scheduler_.worker_ready(id);
      }
      return;
    case Life::ready:
      break;
  }
  if (worker.held.empty()) return;
  Held& front = worker.held.front();
  if (!worker.inside) {
    worker.inside = true;
    worker.began = now_;
    scheduler_.item_began(id);
    return;
  }
  const bool many = pools_[worker.pool].policy.task_timeout.count() == 0 && chance(2);
  const std::uint32_t count = many ? 1 + roll(front.count - front.ended) : 1;
  worker.inside = false;
  for (std::uint32_t i = 0; i < count; ++i) works_[front.work].items[front.first + front.ended++].state = State::ended;
  items_run += count;
  const bool done = front.ended == front.count;
  scheduler_.items_ended(id, count);
  if (done) {
    worker.held.pop_front();
    scheduler_.chunk_done(id, options_.chunk_time);
  }
}

/// What it held and had not ended waits again.
void World::release(const Process& worker) {
  for (const Held& held : worker.held) {
    Work& work = works_[held.work];
    for (std::uint64_t i = held.first + held.ended; i < held.first + held.count; ++i) {
      if (work.items[i].state == State::handed_out) work.items[i].state = State::waiting;
    }
  }
}

void World::end_worker(WorkerId id) {
  Process worker = processes_.at(id);
  processes_.erase(id);
  if (worker.life != Life::killed) {
    release(worker);
    if (worker.inside) ++works_[worker.held[0].work].items[worker.held[0].first + worker.held[0].ended].lost_inside;
  }
  scheduler_.worker_ended(id, LossId{next_loss_++}, worker.inside);
}

void World::lose_rank(Rank rank) {
  ranks_[rank] = false;
  std::erase_if(processes_, [&](const auto& entry) {
    const Process& worker = entry.second;
    if (worker.rank != rank) return false;
    if (worker.life == Life::killed) return true;
    release(worker);
    if (!worker.held.empty()) {
      const Held& front = worker.held.front();
      ++works_[front.work].items[front.first + front.ended].lost_inside;
    }
    return true;
  });
  scheduler_.rank_lost(rank, LossId{next_loss_++});
}

void World::finish() {
  calm_ = true;
  for (auto& [id, work] : works_) {
    if (!std::exchange(work.open, false)) continue;
    scheduler_.work_sealed(id);
    carry_out();
  }
  for (auto& [id, pool] : pools_) {
    pool.closed = true;
    scheduler_.pool_closed(id);
    carry_out();
  }
  for (int round = 0; round < 100'000 && !processes_.empty() && !error; ++round) {
    std::vector<WorkerId> all;
    for (const auto& [id, process] : processes_) all.push_back(id);
    for (const WorkerId id : all) {
      if (processes_.contains(id)) step_worker(id);
      carry_out();
    }
  }
  for (const auto& [id, pool] : pools_) {
    if (!pool.ended) wrong("pool " + std::to_string(raw(id)) + " has not ended");
  }
  for (const auto& [id, work] : works_) {
    if (!work.ended) wrong("work " + std::to_string(raw(id)) + " has not ended");
  }
  if (scheduler_.next_deadline()) wrong("a deadline is left");
}

void World::carry_out() {
  std::vector<Action> actions;
  while (!error) {
    actions.clear();
    scheduler_.take_actions(actions);
    declined_ = false;
    if (actions.empty()) break;
    for (const Action& action : actions) {
      std::visit([&](const auto& one) { execute(one); }, action);
    }
  }
  check_rest();
}

/// Nothing waits that somebody could work on, and the clock is kept.
void World::check_rest() {
  std::map<PoolId, bool> waiting;
  for (const auto& [id, work] : works_) {
    if (work.ended) continue;
    for (std::size_t i = 0; i < work.items.size() && !work.no_end; ++i) {
      if (work.items[i].state == State::waiting) waiting[work.pool] = true;
    }
  }
  std::map<PoolId, int> counted;
  std::optional<Time> earliest;
  for (const auto& [id, worker] : processes_) {
    if (worker.life == Life::killed) continue;
    ++counted[worker.pool];
    if (waiting[worker.pool] && worker.life == Life::ready && worker.held.empty()) {
      wrong("worker " + std::to_string(raw(id)) + " is idle while items wait");
    }
    const auto limit = pools_[worker.pool].policy.task_timeout;
    if (limit.count() == 0 || !worker.inside) continue;
    if (now_ - worker.began > limit) wrong("worker " + std::to_string(raw(id)) + " was not stopped in time");
    if (!earliest || worker.began + limit < *earliest) earliest = worker.began + limit;
  }
  for (const auto& [id, any] : waiting) {
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

// -- actions

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
