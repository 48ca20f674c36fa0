#include "engine/dispatcher.hpp"

#include "base/log.hpp"
#include "base/wait_status.hpp"
#include "schedule/chunk_policy.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

namespace rankpool::engine {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

Dispatcher::Dispatcher(Roster& roster) : roster_(roster) {}
Dispatcher::~Dispatcher() = default;

void Dispatcher::set_port(Rank rank, RankPort* port) { ranks_[rank].port = port; }

void Dispatcher::handle(Command& command) {
  std::visit(Overloaded{
                 [&](SubmitWork& c) {
                   const auto pool = pools_.find(c.pool);
                   if (pool == pools_.end()) {  // it ended in the meantime
                     const std::uint64_t items = c.spec.open ? UINT64_MAX : c.spec.items;
                     if (failed_) {
                       c.sink->fail(0, items, failed_);
                     } else if (const auto grave = graves_.find(c.pool); grave != graves_.end()) {
                       c.sink->fail(0, items, grave->second);
                     } else {
                       c.sink->cancelled(0, items);
                     }
                     return;
                   }
                   works_.insert(raw(c.work), Work{std::move(c.sink), pool->second.get()});
                   scheduler_.work_submitted(c.pool, c.work, c.spec);
                 },
                 [&](ExtendWork& c) { scheduler_.work_extended(c.work, c.more); },
                 [&](SealWork& c) { scheduler_.work_sealed(c.work); },
                 [&](CancelWork& c) { scheduler_.work_cancelled(c.work); },
                 [&](OpenPool& c) {
                   const PoolId id = c.state->id;
                   PoolState& state = *c.state;
                   if (failed_) return end_by_failure(state);
                   pools_[id] = std::move(c.state);
                   scheduler_.pool_opened(id, c.policy);
                   update_alive(state);
                 },
                 [&](ClosePool& c) {
                   scheduler_.pool_closed(c.pool);
                   if (c.cancel_pending) scheduler_.pool_cancelled(c.pool);
                 },
                 [&](SealPool& c) { scheduler_.pool_sealed(c.pool); },
                 [&](StopPool& c) { scheduler_.pool_stopped(c.pool, c.signal); },
                 [&](MakeSharedValue& c) { shared_.made(c.id, std::move(c.value)); },
                 [&](MakeSharedBlob& c) { shared_.made(c.id, std::move(c.blob)); },
                 [&](ForgetShared& c) { shared_.forgotten(c.id); },
                 [&](CallShared& c) { handle_shared(c); },
                 [&](EndJob&) {
                   job_ended_ = true;
                   fail_shared_calls("the job has ended");
                 },
             },
             command);
}

bool Dispatcher::goes_to_own_worker(const SubmitWork& command) {
  if (command.spec.items != 1 || command.spec.open) return false;
  const auto next = scheduler_.next_idle(command.pool);
  if (!next) return false;
  auto* const slot = workers_.find(raw(*next));
  return slot != nullptr && (*slot)->rank == Rank{0} && !(*slot)->pool->announce_items;
}

bool Dispatcher::carry_out() {
  bool any = false;
  while (true) {
    actions_.clear();
    scheduler_.take_actions(actions_);
    if (actions_.empty()) break;
    any = true;
    for (const auto& action : actions_) {
      std::visit([&](const auto& a) { execute(a); }, action);
    }
  }
  any |= carry_out_shared();
  for (RankEntry* const entry : written_) {
    entry->written = false;
    if (entry->port != nullptr) entry->port->flush();
  }
  written_.clear();
  return any;
}

RankPort* Dispatcher::port_to(RankEntry& rank) {
  if (rank.port != nullptr && !std::exchange(rank.written, true)) written_.push_back(&rank);
  return rank.port;
}

void Dispatcher::execute(const schedule::SendChunk& action) {
  auto* const slot = workers_.find(raw(action.worker));
  detail::Sink* const sink = sink_of(action.work);
  if (slot == nullptr || sink == nullptr) return;
  Worker& worker = **slot;
  if (!sink->begin(action.first, action.count)) {
    scheduler_.chunk_declined(action.worker, action.chunk);
    return;
  }
  gather_.clear();
  wire::FrameHeader header;
  header.kind = wire::FrameKind::chunk;
  header.flags = worker.pool->announce_items ? wire::FrameFlag::announce : wire::FrameFlag::none;
  header.count = action.count;
  header.chunk = raw(action.chunk);
  header.first = static_cast<std::uint64_t>(hold_back(*worker.pool).count());
  header.extra = sink->gather(action.first, action.count, gather_);
  for (const auto& part : gather_) header.length += part.size();
  worker.chunks.push_back({action.chunk, action.work, action.first, action.count, 0});
  RankPort* const port = port_to(*worker.at);
  if (port == nullptr) return;
  port->write(action.worker, std::as_bytes(std::span(&header, 1)), gather_, works_.find(raw(action.work))->sink);
}

/// Twice as long as a chunk of the scheduler's own lasts there: it is then all in one frame.
std::chrono::nanoseconds Dispatcher::hold_back(const PoolState& pool) {
  constexpr std::chrono::nanoseconds longest = std::chrono::seconds(10);
  const auto wanted =
      2 * std::max(pool.alive.load(std::memory_order_relaxed), 1) * schedule::ChunkPolicy::kForEachWorker;
  return std::min(wanted, longest);
}

void Dispatcher::execute(const schedule::StartWorker& action) {
  const auto pool = pools_.find(action.pool);
  RankEntry& rank_entry = ranks_[action.rank];
  RankPort* const port = port_to(rank_entry);
  if (pool == pools_.end() || port == nullptr) return;
  auto worker = std::make_unique<Worker>();
  worker->pool = pool->second;
  worker->rank = action.rank;
  worker->at = &rank_entry;
  workers_.insert(raw(action.worker), std::move(worker));
  port->start(action.worker);
  const RankFacts& facts = rank_entry.facts;
  // The worker's name for itself: number, rank, threads and host, then the initializer.
  detail::Bytes payload;
  const std::uint32_t host_size = static_cast<std::uint32_t>(facts.host.size());
  const std::int32_t rank = raw(action.rank);
  const std::uint32_t id = raw(action.worker);
  payload.append(&id, sizeof id);
  payload.append(&rank, sizeof rank);
  const auto threads = static_cast<std::uint32_t>(pool->second->threads_per_worker);
  payload.append(&threads, sizeof threads);
  payload.append(&host_size, sizeof host_size);
  payload.append(facts.host.data(), facts.host.size());
  const detail::Bytes& initializer = pool->second->initializer;
  wire::FrameHeader header;
  header.kind = wire::FrameKind::init;
  header.length = payload.size() + initializer.size();
  payload.append(initializer.data(), initializer.size());
  gather_.assign(1, payload.view());
  port->write(action.worker, std::as_bytes(std::span(&header, 1)), gather_, {});
  update_alive(*pool->second);
}

void Dispatcher::execute(const schedule::StopWorker& action) {
  auto* const slot = workers_.find(raw(action.worker));
  if (slot == nullptr) return;
  wire::FrameHeader header;
  header.kind = wire::FrameKind::stop;
  gather_.clear();
  if (RankPort* const port = port_to(*(*slot)->at)) {
    port->write(action.worker, std::as_bytes(std::span(&header, 1)), gather_, {});
  }
}

void Dispatcher::execute(const schedule::KillWorker& action) {
  auto* const slot = workers_.find(raw(action.worker));
  if (slot == nullptr) return;
  Worker& worker = **slot;
  worker.given_up = true;
  worker.chunks.clear();
  not_ready_any_more(worker);
  if (RankPort* const port = port_to(*worker.at)) port->kill(action.worker, action.signal);
  update_alive(*worker.pool);
}

void Dispatcher::execute(const schedule::FailItems& action) {
  Work* const work = works_.find(raw(action.work));
  if (work == nullptr) return;
  work->sink->fail(action.first, action.count, failure_for(action.reason, action.loss, work->pool));
}

void Dispatcher::execute(const schedule::CancelItems& action) {
  if (detail::Sink* const sink = sink_of(action.work)) sink->cancelled(action.first, action.count);
}

void Dispatcher::execute(const schedule::WorkEnded& action) { works_.erase(raw(action.work)); }

void Dispatcher::execute(const schedule::PoolBroken& action) {
  const auto found = pools_.find(action.pool);
  if (found == pools_.end()) return;
  auto failure = std::make_shared<detail::Failure>();
  failure->kind = detail::Failure::Kind::broken;
  const Loss* const loss = find_loss(action.loss);
  const std::string text = loss != nullptr ? loss->text : std::string("a worker process was lost");
  switch (action.why) {
    case schedule::Breakage::worker_lost:
    case schedule::Breakage::rank_lost:
      failure->text = "the process pool is broken: " + text;
      break;
    case schedule::Breakage::initializer_failed:
      failure->text = "the process pool is broken: " + text;
      break;
    case schedule::Breakage::no_workers_start:
      failure->text = "the process pool is broken: its worker processes could not be started: " + text;
      break;
  }
  if (loss != nullptr && action.why != schedule::Breakage::initializer_failed) failure->causes.push_back(*loss);
  PoolState& pool = *found->second;
  {
    const std::lock_guard lock(pool.mutex);
    pool.broken = std::move(failure);
  }
  pool.alive.store(0);
  pool.changed.notify_all();
}

void Dispatcher::execute(const schedule::PoolEnded& action) {
  const auto found = pools_.find(action.pool);
  if (found == pools_.end()) return;
  const auto pool = std::move(found->second);
  pools_.erase(found);
  pool->alive.store(0);
  pool->pins.clear();
  {
    const std::lock_guard lock(pool->mutex);
    pool->ended = true;
    if (pool->broken) graves_[action.pool] = pool->broken;
  }
  constexpr std::size_t kept = 64;  // what is under way to a pool arrives within a moment
  if (graves_.size() > kept) graves_.erase(graves_.begin());
  pool->changed.notify_all();
}

void Dispatcher::rank_joined(const RankFacts& facts) {
  ranks_[facts.rank].facts = facts;
  roster_.joined(facts);
  scheduler_.cores_changed(roster_.cores());
  scheduler_.rank_joined(facts.rank, facts.workers);
}

void Dispatcher::rank_lost(Rank rank, const std::string& how) {
  RankEntry& entry = ranks_[rank];
  if (entry.port == nullptr) return;
  entry.port = nullptr;
  any_rank_lost_ = true;
  roster_.lost(rank);
  scheduler_.cores_changed(roster_.cores());
  Loss loss;
  loss.rank = raw(rank);
  loss.host = entry.facts.host;
  loss.pid = entry.facts.pid;
  loss.text = "rank " + std::to_string(raw(rank)) + " (on " + loss.host + ", pid " + std::to_string(loss.pid) +
              ") lost: " + how;
  if (how.starts_with("ended by ")) loss.signal = how.substr(9);
  base::log_info(loss.text);
  std::vector<std::uint64_t> gone;
  workers_.for_each([&](std::uint64_t id, std::unique_ptr<Worker>& worker) {
    if (worker->rank != rank) return;
    gone.push_back(id);
    not_ready_any_more(*worker);
  });
  scheduler_.rank_lost(rank, note(std::move(loss)));
  for (const auto id : gone) {
    const auto pool = (*workers_.find(id))->pool;
    workers_.erase(id);
    shared_.client_gone(WorkerId{static_cast<std::uint32_t>(id)});
    update_alive(*pool);
  }
}

void Dispatcher::worker_started(WorkerId id, pid_t pid) {
  if (auto* const slot = workers_.find(raw(id))) (*slot)->pid = pid;
}

void Dispatcher::worker_failed_to_start(WorkerId id, const std::string& why) {
  auto* const slot = workers_.find(raw(id));
  if (slot == nullptr) return;
  Loss loss = loss_of(id, **slot);
  loss.text = "worker " + std::to_string(loss.worker) + " (rank " + std::to_string(loss.rank) + " on " + loss.host +
              ") could not be started: " + why;
  const auto pool = (*slot)->pool;
  workers_.erase(raw(id));
  scheduler_.worker_failed_to_start(id, note(std::move(loss)));
  update_alive(*pool);
}

void Dispatcher::worker_ended(WorkerId id, const WorkerExit& exit) {
  auto* const slot = workers_.find(raw(id));
  if (slot == nullptr) return;
  Worker& worker = **slot;
  if (worker.pid == 0) worker.pid = exit.pid;
  const auto how = base::how_it_ended(exit.wait_status);
  Loss loss = loss_of(id, worker);
  loss.exit_code = how.exit_code;
  loss.signal = how.signal;
  loss.text = "worker " + std::to_string(loss.worker) + " (rank " + std::to_string(loss.rank) + " on " + loss.host +
              ", pid " + std::to_string(loss.pid) + ") " + how.text;
  base::log_debug(loss.text);
  not_ready_any_more(worker);
  const auto pool = worker.pool;
  workers_.erase(raw(id));
  shared_.client_gone(id);
  scheduler_.worker_ended(id, note(std::move(loss)), exit.inside_item);
  update_alive(*pool);
}

void Dispatcher::not_ready_any_more(Worker& worker) {
  if (!std::exchange(worker.ready, false)) return;
  const std::lock_guard lock(worker.pool->mutex);
  --worker.pool->ready;
}

void Dispatcher::update_alive(PoolState& pool) {
  const int now = scheduler_.workers_alive(pool.id);
  {
    const std::lock_guard lock(pool.mutex);
    if (pool.alive.exchange(now) == now) return;
  }
  pool.changed.notify_all();
}

std::vector<std::shared_ptr<PoolState>> Dispatcher::pools_to_stop() const {
  std::vector<std::shared_ptr<PoolState>> found;
  for (const auto& [id, pool] : pools_) {
    if (pool->close_on_stop) found.push_back(pool);
  }
  return found;
}

detail::Sink* Dispatcher::sink_of(WorkId work) {
  Work* const entry = works_.find(raw(work));
  return entry == nullptr ? nullptr : entry->sink.get();
}

}  // namespace rankpool::engine
