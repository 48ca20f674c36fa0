#include "world.hpp"

#include <csignal>
#include <utility>

namespace rankpool::schedule::testing {
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

void World::note_loss(const Held& held, Rank rank) {
  Item& item = works_[held.work].items[held.first + held.ended];
  ++item.lost_inside;
  item.lost_on.push_back(rank);
}

void World::end_worker(WorkerId id) {
  Process worker = processes_.at(id);
  processes_.erase(id);
  if (worker.life != Life::killed) {
    release(worker);
    if (worker.inside) note_loss(worker.held[0], worker.rank);
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
      note_loss(front, rank);
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

}  // namespace rankpool::schedule::testing
