#include "engine/task_dispatcher.hpp"

#include <cstring>
#include <utility>

namespace rankpool::engine {
namespace {

/// What is known of fewer is in the caches as it is.
constexpr std::size_t kManyWorkers = 1024;

ItemsEnded::How how_ended(wire::FrameKind kind) {
  switch (kind) {
    case wire::FrameKind::error:
    case wire::FrameKind::dropped:
      return ItemsEnded::How::error;
    case wire::FrameKind::skipped:
      return ItemsEnded::How::skipped;
    default:
      return ItemsEnded::How::value;
  }
}

detail::FailurePtr no_memory_for(std::uint64_t size) {
  auto failure = std::make_shared<detail::Failure>();
  failure->kind = detail::Failure::Kind::serialization;
  failure->text = "there is no memory on rank 0 for the " + std::to_string(size) + " bytes of this result";
  return failure;
}

}  // namespace

// -- frames

void TaskDispatcher::expect_output(std::span<const WorkerId> workers) noexcept {
  if (workers_.size() < kManyWorkers) return;
  workers_.prefetch(workers);
  scheduler_.prefetch(workers);
}

void TaskDispatcher::worker_output(WorkerId id, std::span<const std::byte> bytes) {
  Worker* const worker = workers_.find(id);
  if (worker == nullptr || worker->given_up) return;
  bool sensible = true;
  const bool readable = worker->reader.feed(
      bytes, [&](const wire::FrameHeader& header, std::span<const std::byte> payload, detail::Bytes* owned) {
        if (sensible) sensible = handle_frame(id, *worker, header, payload, owned);
      });
  if (!readable || !sensible) workers_.give_up(id, *worker);
}

bool TaskDispatcher::handle_frame(WorkerId id, Worker& worker, const wire::FrameHeader& header,
                                  std::span<const std::byte> payload, detail::Bytes* owned) {
  if (groups_.has(id)) return groups_.handle_frame(id, worker, header, payload, owned);
  switch (header.kind) {
    case wire::FrameKind::ready:
      if (worker.ready) return false;
      became_ready(id, worker);
      return true;
    case wire::FrameKind::init_failed:
      scheduler_.initializer_failed(id, losses_.initializer_failed(id, worker, payload));
      return true;
    case wire::FrameKind::began:
      if (const auto current = scheduler_.current_chunk(id); current && current->ended < current->count) {
        tell([&] { return ItemBegan{id, current->work, current->first + current->ended}; });
      }
      scheduler_.item_began(id);
      return true;
    case wire::FrameKind::times:
      return handle_times(id, worker, wire::OutcomeHeader::of(header), payload);
    case wire::FrameKind::memory: {
      const auto memory = wire::MemoryHeader::of(header);
      tell([&] { return WorkerMemory{id, memory.resident, memory.peak}; });
      return payload.empty();
    }
    case wire::FrameKind::values:
    case wire::FrameKind::value:
    case wire::FrameKind::error:
    case wire::FrameKind::skipped:
    case wire::FrameKind::dropped:
      return handle_outcome(id, worker, wire::OutcomeHeader::of(header), payload, owned);
    default:
      return false;
  }
}

bool TaskDispatcher::handle_outcome(WorkerId id, Worker& worker, const wire::OutcomeHeader& header,
                                    std::span<const std::byte> payload, detail::Bytes* owned) {
  const auto current = scheduler_.current_chunk(id);
  if (!current) return !scheduler_.counts_on(id);  // it has been killed or stopped, and does not know yet
  const bool one = header.kind == wire::FrameKind::value || header.kind == wire::FrameKind::error;
  const std::uint32_t left = current->count - current->ended;
  if (header.chunk != raw(current->chunk) || !last_sent_ || *last_sent_ < current->chunk ||
      header.first != current->ended || header.items > left || (one && header.items != 1) ||
      (header.kind == wire::FrameKind::values && header.items != 0 && payload.size() % header.items != 0)) {
    return false;
  }
  const std::uint64_t first = current->first + header.first;
  watch::Tally& tally = worker.pool->tally;
  if (detail::ResultReceiver* const receiver = receiver_of(current->work); receiver != nullptr && header.items != 0) {
    const auto take = [&] { return owned != nullptr ? std::move(*owned) : detail::Bytes(payload); };
    if (header.kind == wire::FrameKind::values) {
      receiver->values(first, header.items, payload);
    } else if (header.kind == wire::FrameKind::value) {
      receiver->value(first, take());
    } else if (header.kind == wire::FrameKind::error) {
      receiver->error(first, take());
    } else if (header.kind == wire::FrameKind::dropped) {
      receiver->fail(first, header.items, no_memory_for(header.size));
    } else {
      receiver->skipped(first, header.items);
    }
  }
  if (header.items != 0) {
    tell([&] {
      return ItemsEnded{id, current->chunk, current->work, first, header.items, how_ended(header.kind), payload.size()};
    });
    tally.outcome(how_ended(header.kind) == ItemsEnded::How::value ? watch::Outcome::done : watch::Outcome::error,
                  header.items, payload.size());
    scheduler_.items_ended(id, header.items);
  }
  if (header.last) {
    if (header.items != left) return false;
    tally.chunk_done(*worker.tally, raw(current->chunk), current->first, current->count,
                     static_cast<std::uint64_t>(header.busy.count()), now_);
    tell([&] { return ChunkDone{id, current->chunk, header.busy}; });
    scheduler_.chunk_done(id, header.busy);
  }
  return true;
}

bool TaskDispatcher::handle_times(WorkerId id, Worker& worker, const wire::OutcomeHeader& header,
                                  std::span<const std::byte> payload) {
  const auto current = scheduler_.current_chunk(id);
  if (!current) return !scheduler_.counts_on(id);
  if (header.chunk != raw(current->chunk) || header.items == 0 || header.first > current->ended ||
      header.items > current->ended - header.first ||
      payload.size() != (std::size_t{header.items} + 1) * sizeof(std::uint64_t)) {
    return false;
  }
  std::uint64_t before = 0;
  std::memcpy(&before, payload.data(), sizeof before);
  for (std::size_t i = 0; i < header.items; ++i) {
    std::uint64_t end = 0;
    std::memcpy(&end, payload.data() + (i + 1) * sizeof end, sizeof end);
    const std::uint64_t item = current->first + header.first + i;
    worker.pool->tally.took(*worker.tally, raw(current->chunk), item, end > before ? end - before : 0);
    before = end;
  }
  tell([&] {
    return ItemTimes{id, current->chunk, current->work, current->first + header.first, header.items, payload};
  });
  return true;
}

// -- lives

void TaskDispatcher::rank_joined(const RankFacts& facts) {
  workers_.rank(facts.rank).facts = facts;
  roster_.joined(facts);
  tell([&] { return RankJoined{facts.rank, facts.workers, facts.host}; });
  scheduler_.cores_changed(roster_.cores());
  if (facts.workers > 0) scheduler_.rank_joined(facts.rank, facts.workers, node_of(facts.host), facts.memory_of_node);
}

NodeId TaskDispatcher::node_of(const std::string& host) {
  return nodes_.try_emplace(host, NodeId{static_cast<std::uint32_t>(nodes_.size())}).first->second;
}

std::vector<WorkerId> TaskDispatcher::rank_lost(Rank rank, const RankEnd& end) {
  RankEntry& entry = workers_.rank(rank);
  entry.port = nullptr;
  roster_.lost(rank);
  tell([&] { return RankLost{rank}; });
  scheduler_.cores_changed(roster_.cores());
  auto gone = workers_.on(rank);
  for (const WorkerId id : gone) not_ready_any_more(*workers_.find(id));
  const auto loss = losses_.rank_lost(entry.facts, end);
  scheduler_.rank_lost(rank, loss);
  for (const WorkerId id : gone) {
    if (groups_.has(id)) groups_.lost_with_rank(id, loss);
    const auto pool = workers_.find(id)->pool;
    if (auto* const one = workers_.find(id)->tally) pool->tally.worker_ended(*one, now_);
    workers_.erase(id);
    update_alive(*pool);
  }
  return gone;
}

void TaskDispatcher::worker_started(WorkerId id, pid_t pid) {
  Worker* const worker = workers_.find(id);
  if (worker == nullptr) return;
  // Its own word may come before its keeper's: an event that names it waits for both.
  if (std::exchange(worker->pid, pid) == 0 && worker->ready) tell([&] { return WorkerReady{id, pid}; });
  if (worker->tally != nullptr) worker->tally->pid = pid;
}

void TaskDispatcher::worker_failed_to_start(WorkerId id, const std::string& why) {
  const Worker* const worker = workers_.find(id);
  if (worker == nullptr) return;
  const auto pool = worker->pool;
  if (groups_.has(id)) {
    groups_.worker_failed_to_start(id, *worker, why);
    if (worker->tally != nullptr) pool->tally.worker_ended(*worker->tally, now_);
    workers_.erase(id);
    return;
  }
  const auto loss = losses_.failed_to_start(id, *worker, why);
  pool->tally.worker_ended(*worker->tally, now_);
  workers_.erase(id);
  tell([&] { return WorkerGone{id, true}; });
  scheduler_.worker_failed_to_start(id, loss);
  update_alive(*pool);
}

bool TaskDispatcher::worker_ended(WorkerId id, const host::WorkerEnd& end) {
  Worker* const worker = workers_.find(id);
  if (worker == nullptr) return false;
  if (worker->pid == 0) worker->pid = end.pid;
  if (groups_.has(id)) {
    groups_.worker_ended(id, *worker, end);
    if (worker->tally != nullptr) worker->pool->tally.worker_ended(*worker->tally, now_);
    workers_.erase(id);
    return true;
  }
  not_ready_any_more(*worker);
  const auto pool = worker->pool;
  const auto loss = losses_.worker_ended(id, *worker, end);
  worker->tally->pid = worker->pid;
  pool->tally.worker_ended(*worker->tally, now_);
  workers_.erase(id);
  tell([&] { return WorkerGone{id, scheduler_.counts_on(id)}; });
  scheduler_.worker_ended(id, loss, end.inside_item);
  update_alive(*pool);
  return true;
}

void TaskDispatcher::became_ready(WorkerId id, Worker& worker) {
  worker.ready = true;
  if (worker.pid != 0) tell([&] { return WorkerReady{id, worker.pid}; });
  scheduler_.worker_ready(id);
  update_alive(*worker.pool);
  {
    const std::lock_guard lock(worker.pool->mutex);
    ++worker.pool->ready;
  }
  worker.pool->changed.notify_all();
}

void TaskDispatcher::not_ready_any_more(Worker& worker) {
  if (!std::exchange(worker.ready, false)) return;
  const std::lock_guard lock(worker.pool->mutex);
  --worker.pool->ready;
}

}  // namespace rankpool::engine
