#include "schedule/scheduler.hpp"

#include "schedule/pool.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace rankpool::schedule {

/// Finds whom an event concerns, and forgets pools that are over.
class Scheduler::Impl {
 public:
  template <class Event>
  void with(PoolId id, Event&& event) {
    const auto found = pools.find(id);
    if (found == pools.end()) return;
    event(*found->second);
    if (found->second->over()) pools.erase(found);
  }
  template <class Event>
  void with(WorkId id, Event&& event) {
    const auto* const entry = common.works.find(id);
    if (entry != nullptr) with(entry->pool, event);
  }
  /// Workers that were killed or told to stop hold nothing, so what they still say falls on nothing.
  template <class Event>
  void with(WorkerId id, Event&& event) {
    auto* const slot = common.workers.find(raw(id));
    if (slot == nullptr) return;
    Worker& worker = **slot;
    Pool& pool = *worker.pool;
    event(pool, worker);
    if (pool.over()) pools.erase(pool.id());
  }
  template <class Event>
  void with(GroupId id, Event&& event) {
    const auto found = common.groups.find(id);
    if (found != common.groups.end()) with(found->second, event);
  }
  template <class Event>
  void with_all(Event&& event) {
    for (auto& [id, pool] : pools) event(*pool);
    std::erase_if(pools, [](const auto& entry) { return entry.second->over(); });
  }

  Common common;
  std::map<PoolId, std::unique_ptr<Pool>> pools;
};

Scheduler::Scheduler() : impl_(std::make_unique<Impl>()) {}
Scheduler::~Scheduler() = default;

void Scheduler::cores_changed(int cores) { impl_->common.ranks.set_cores(cores); }

void Scheduler::rank_joined(Rank rank, int capacity, NodeId node, std::uint64_t memory) {
  impl_->common.ranks.join(rank, capacity, node);
  impl_->common.memory.set(node, memory);
  impl_->with_all([](Pool& pool) { pool.rank_joined(); });
}

void Scheduler::rank_lost(Rank rank, LossId loss) {
  impl_->common.ranks.lose(rank);
  impl_->with_all([&](Pool& pool) { pool.rank_lost(rank, loss); });
}

void Scheduler::tick(Time now) {
  impl_->common.now = now;
  impl_->with_all([](Pool& pool) { pool.tick(); });
}

std::optional<Time> Scheduler::next_deadline() const {
  std::optional<Time> next;
  for (const auto& [id, pool] : impl_->pools) {
    const auto own = pool->next_deadline();
    if (own && (!next || *own < *next)) next = own;
  }
  return next;
}

void Scheduler::pool_opened(PoolId id, PoolPolicy policy) {
  const auto [found, is_new] = impl_->pools.try_emplace(id, nullptr);
  if (!is_new) return;
  found->second = std::make_unique<Pool>(id, policy, impl_->common);
  found->second->open();
}

void Scheduler::pool_closed(PoolId id) {
  impl_->with(id, [](Pool& pool) { pool.close(); });
}

void Scheduler::pool_sealed(PoolId id) {
  impl_->with(id, [](Pool& pool) { pool.seal(); });
}

void Scheduler::pool_cancelled(PoolId id) {
  impl_->with(id, [](Pool& pool) { pool.cancel(); });
}

void Scheduler::pool_stopped(PoolId id, int signal) {
  impl_->with(id, [&](Pool& pool) { pool.stop(signal); });
}

int Scheduler::workers_alive(PoolId id) const {
  const auto found = impl_->pools.find(id);
  return found == impl_->pools.end() ? 0 : found->second->workers_alive();
}

void Scheduler::work_submitted(PoolId id, WorkId work, WorkSpec spec) {
  if (impl_->pools.contains(id)) {
    impl_->with(id, [&](Pool& pool) { pool.submitted(work, spec); });
    return;
  }
  auto& actions = impl_->common.actions;
  const std::uint64_t items = spec.open ? std::numeric_limits<std::uint64_t>::max() : spec.items;
  if (items > 0) actions.emplace_back(CancelItems{work, 0, items});
  actions.emplace_back(WorkEnded{work});
}

void Scheduler::work_extended(WorkId id, std::uint64_t more) {
  impl_->with(id, [&](Pool& pool) { pool.extended(id, more); });
}

void Scheduler::work_sealed(WorkId id) {
  impl_->with(id, [&](Pool& pool) { pool.sealed(id); });
}

void Scheduler::work_cancelled(WorkId id) {
  impl_->with(id, [&](Pool& pool) { pool.cancelled(id); });
}

void Scheduler::worker_ready(WorkerId id) {
  impl_->with(id, [](Pool& pool, Worker& worker) { pool.ready(worker); });
}

void Scheduler::worker_failed_to_start(WorkerId id, LossId loss) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.failed_to_start(worker, loss); });
}

void Scheduler::initializer_failed(WorkerId id, LossId loss) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.initializer_failed(worker, loss); });
}

void Scheduler::item_began(WorkerId id) {
  impl_->with(id, [](Pool& pool, Worker& worker) { pool.item_began(worker); });
}

void Scheduler::items_ended(WorkerId id, std::uint32_t count) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.items_ended(worker, count); });
}

void Scheduler::chunk_done(WorkerId id, Nanoseconds busy) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.chunk_done(worker, busy); });
}

void Scheduler::chunk_declined(WorkerId id, ChunkId chunk) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.chunk_declined(worker, chunk); });
}

void Scheduler::worker_ended(WorkerId id, LossId loss, bool inside_item) {
  impl_->with(id, [&](Pool& pool, Worker& worker) { pool.ended(worker, loss, inside_item); });
}

void Scheduler::group_began(GroupId id) {
  impl_->with(id, [&](Pool& pool) { pool.group_began(id); });
}

void Scheduler::group_item_ended(GroupId id) {
  impl_->with(id, [&](Pool& pool) { pool.group_item_ended(id); });
}

void Scheduler::group_declined(GroupId id) {
  impl_->with(id, [&](Pool& pool) { pool.group_declined(id); });
}

void Scheduler::group_initializer_failed(GroupId id, LossId loss) {
  impl_->with(id, [&](Pool& pool) { pool.group_initializer_failed(loss); });
}

void Scheduler::group_cannot_start(GroupId id, LossId loss) {
  impl_->with(id, [&](Pool& pool) { pool.group_cannot_start(id, loss); });
}

void Scheduler::group_ended(GroupId id, LossId loss) {
  impl_->with(id, [&](Pool& pool) { pool.group_ended(id, loss); });
}

std::optional<CurrentChunk> Scheduler::current_chunk(WorkerId id) const noexcept {
  auto* const slot = impl_->common.workers.find(raw(id));
  if (slot == nullptr || (*slot)->chunks.empty()) return {};
  const Chunk& chunk = (*slot)->chunks.front();
  return CurrentChunk{chunk.id, chunk.work, chunk.first, chunk.count, chunk.ended};
}

bool Scheduler::counts_on(WorkerId id) const noexcept {
  auto* const slot = impl_->common.workers.find(raw(id));
  return slot != nullptr && ((*slot)->state == WorkerState::starting || (*slot)->state == WorkerState::ready);
}

std::optional<WorkerId> Scheduler::next_idle(PoolId id) const {
  const auto found = impl_->pools.find(id);
  return found == impl_->pools.end() ? std::nullopt : found->second->next_idle();
}

void Scheduler::prefetch(std::span<const WorkerId> workers) const noexcept {
  for (const WorkerId id : workers) impl_->common.workers.prefetch(raw(id));
  for (const WorkerId id : workers) {
    if (const auto* const slot = impl_->common.workers.find(raw(id))) base::prefetch(slot->get());
  }
}

void Scheduler::take_actions(std::vector<Action>& to) {
  // Many outcomes may have come since: what all of them tell counts for what is handed out now.
  auto& dirty = impl_->common.dirty;
  for (const PoolId id : dirty) impl_->with(id, [](Pool& pool) { pool.update(); });
  dirty.clear();
  auto& actions = impl_->common.actions;
  if (to.empty()) {
    to.swap(actions);
    return;
  }
  to.insert(to.end(), actions.begin(), actions.end());
  actions.clear();
}

}  // namespace rankpool::schedule
