#include "engine/task_dispatcher.hpp"

#include "base/pace.hpp"
#include "engine/task_recorder.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::engine {
namespace {

/// What is under way to a pool that has ended arrives within a moment.
constexpr std::size_t kBrokenPoolsKept = 64;

/// How long workers of the pool may keep finished results to themselves: twice as long as a chunk of the scheduler's
/// own lasts there, so that it is all in one frame.
std::chrono::nanoseconds hold_back(const PoolState& pool) {
  const auto wanted = 2 * std::max(pool.alive.load(std::memory_order_relaxed), 1) * pace::kRankZeroForChunk;
  return std::min<std::chrono::nanoseconds>(wanted, pace::kHeldBackAtMost);
}

/// False where the end of the items is not known.
bool is_known(std::uint64_t first, std::uint64_t count) { return count < UINT64_MAX - first; }

}  // namespace

TaskDispatcher::TaskDispatcher(Workers& workers, Roster& roster)
    : workers_(workers), roster_(roster), groups_(workers, losses_, scheduler_, events_) {}

// -- what the user's threads ask for

void TaskDispatcher::handle(SubmitWork& command) {
  const auto pool = pools_.find(command.pool);
  if (pool == pools_.end()) {  // it ended in the meantime
    const std::uint64_t items = command.spec.open ? UINT64_MAX : command.spec.items;
    if (failed_) {
      command.receiver->fail(0, items, failed_);
    } else if (const auto broken = broken_pools_.find(command.pool); broken != broken_pools_.end()) {
      command.receiver->fail(0, items, broken->second);
    } else {
      command.receiver->cancelled(0, items);
    }
    return;
  }
  tell([&] {
    return WorkSubmitted{command.pool, command.work, command.spec.items, command.spec.open, command.label.get()};
  });
  pool->second->tally.submitted(command.spec.items);
  works_.insert(raw(command.work), Work{std::move(command.receiver), pool->second.get(), std::move(command.label),
                                        command.spec.task_timeout.has_value()});
  scheduler_.work_submitted(command.pool, command.work, command.spec);
}

void TaskDispatcher::handle(const ExtendWork& command) {
  tell([&] { return WorkExtended{command.work, command.more}; });
  if (Work* const work = works_.find(raw(command.work))) work->pool->tally.submitted(command.more);
  scheduler_.work_extended(command.work, command.more);
}

void TaskDispatcher::handle(const SealWork& command) {
  tell([&] { return WorkSealed{command.work}; });
  scheduler_.work_sealed(command.work);
}

void TaskDispatcher::handle(OpenPool& command) {
  const PoolId id = command.state->id;
  PoolState& state = *command.state;
  if (failed_) return end_by_failure(state);
  tell([&] { return PoolOpened{id, state.max_workers}; });
  pools_[id] = std::move(command.state);
  scheduler_.pool_opened(id, command.policy);
  update_alive(state);
}

void TaskDispatcher::handle(const ClosePool& command) {
  scheduler_.pool_closed(command.pool);
  if (command.cancel_pending) scheduler_.pool_cancelled(command.pool);
}

void TaskDispatcher::handle(ListenToTasks& command) {
  events_ = std::move(command.events);
  if (!events_) return;
  workers_.for_each_rank([&](const RankEntry& rank) {
    if (!rank.facts.host.empty()) events_->tell(RankJoined{rank.facts.rank, rank.facts.workers, rank.facts.host});
  });
  for (const auto& [id, pool] : pools_) events_->tell(PoolOpened{id, pool->max_workers});
  workers_.for_each([&](WorkerId id, const Worker& worker) {
    events_->tell(WorkerStarted{id, worker.pool->id, worker.rank});
    if (worker.ready && worker.pid != 0) events_->tell(WorkerReady{id, worker.pid});
  });
}

bool TaskDispatcher::can_go_inline(const SubmitWork& command) {
  const schedule::WorkSpec& spec = command.spec;
  if (spec.items == 0 || spec.open || spec.task_timeout || spec.avoid) return false;
  if (spec.ranks > 0 || spec.memory > 0) return false;  // it may run on another node than the next idle worker's
  const auto next = scheduler_.next_idle(command.pool);
  if (!next) return false;
  const Worker* const worker = workers_.find(*next);
  return worker != nullptr && !worker->pool->announce_items && worker->at->port != nullptr &&
         worker->at->port->is_direct(*next);
}

// -- what the scheduler decides

bool TaskDispatcher::carry_out() {
  bool any = false;
  while (true) {
    actions_.clear();
    scheduler_.take_actions(actions_);
    if (actions_.empty()) return any;
    any = true;
    for (const auto& action : actions_) {
      std::visit([&](const auto& a) { execute(a); }, action);
    }
  }
}

/// Header, and `gather_` behind it.
void TaskDispatcher::send(WorkerId id, const Worker& worker, const wire::FrameHeader& header,
                          const detail::Ref<detail::ResultReceiver>& owner) {
  if (RankPort* const port = workers_.port_to(*worker.at)) {
    port->write(id, std::as_bytes(std::span(&header, 1)), gather_, owner);
  }
}

/// What the task of the chunk that follows is called, if its user has given it a name.
void TaskDispatcher::send_name(WorkerId id, const Worker& worker, std::string_view name) {
  if (name.empty()) return;
  const wire::FrameHeader header(wire::FrameKind::name, name.size());
  if (RankPort* const port = workers_.port_to(*worker.at)) {
    port->write(id, std::as_bytes(std::span(&header, 1)), {std::as_bytes(std::span(name))}, {});
  }
}

void TaskDispatcher::execute(const schedule::SendChunk& action) {
  const Worker* const worker = workers_.find(action.worker);
  const Work* const work = works_.find(raw(action.work));
  if (worker == nullptr || work == nullptr) return;
  if (!work->receiver->begin(action.first, action.count)) {
    scheduler_.chunk_declined(action.worker, action.chunk);
    return;
  }
  gather_.clear();
  wire::ChunkHeader header;
  if (worker->pool->announce_items || work->limited) header.flags = wire::FrameFlag::announce;
  if (events_ && events_->wants_times()) {
    header.flags = header.flags | wire::FrameFlag::timed | wire::FrameFlag::memory;
  }
  header.items = action.count;
  header.chunk = raw(action.chunk);
  header.hold_back = hold_back(*worker->pool);
  header.head = work->receiver->gather(action.first, action.count, gather_);
  const std::size_t size = size_of(gather_);
  last_sent_ = action.chunk;
  const auto head = head_of(gather_, header.head);
  const std::uint64_t bytes = size - header.head;
  const std::string_view name = work->given_name();
  worker->pool->tally.sent(*worker->tally, raw(action.chunk), name.empty() ? text_of(head) : name, bytes, now_);
  tell([&] { return ChunkSent{action.worker, action.chunk, action.work, action.first, action.count, bytes, head}; });
  send_name(action.worker, *worker, name);
  send(action.worker, *worker, header.frame(size), work->receiver);
}

void TaskDispatcher::execute(const schedule::StartWorker& action) {
  const auto pool = pools_.find(action.pool);
  RankEntry& at = workers_.rank(action.rank);
  RankPort* const port = workers_.port_to(at);
  if (pool == pools_.end() || port == nullptr) return;
  Worker& worker = workers_.add(action.worker, at, pool->second);
  worker.tally = &pool->second->tally.worker_started(raw(action.worker), raw(action.rank), at.facts.host, now_);
  port->start(action.worker, origin_of(worker.pool->mp_context));
  const detail::Bytes payload = init_payload(action.worker, worker);
  gather_.assign(1, payload.view());
  send(action.worker, worker, wire::FrameHeader(wire::FrameKind::init, payload.size()), {});
  tell([&] { return WorkerStarted{action.worker, action.pool, action.rank}; });
  update_alive(*pool->second);
}

void TaskDispatcher::execute(const schedule::StopWorker& action) {
  const Worker* const worker = workers_.find(action.worker);
  if (worker == nullptr) return;
  gather_.clear();
  send(action.worker, *worker, wire::FrameHeader(wire::FrameKind::stop), {});
}

void TaskDispatcher::execute(const schedule::KillWorker& action) {
  Worker* const worker = workers_.find(action.worker);
  if (worker == nullptr) return;
  worker->given_up = true;
  not_ready_any_more(*worker);
  if (RankPort* const port = workers_.port_to(*worker->at)) port->kill(action.worker, action.signal);
  update_alive(*worker->pool);
}

void TaskDispatcher::execute(const schedule::RetryItem& action) {
  tell([&] { return ItemRetried{action.work, action.item}; });
  if (Work* const work = works_.find(raw(action.work))) work->pool->tally.retried();
}

void TaskDispatcher::execute(const schedule::FailItems& action) {
  Work* const work = works_.find(raw(action.work));
  if (work == nullptr) return;
  detail::FailurePtr why;
  if (action.reason == schedule::Reason::pool_broken) why = work->pool->why_broken();
  if (!why) why = losses_.failure(action.reason, action.loss, work->given_name());
  work->receiver->fail(action.first, action.count, why);
  if (is_known(action.first, action.count)) work->pool->tally.failed(outcome_of(action.reason), action.count);
  tell([&] { return ItemsFailed{action.work, action.first, action.count, action.reason}; });
}

void TaskDispatcher::execute(const schedule::CancelItems& action) {
  Work* const work = works_.find(raw(action.work));
  if (work == nullptr) return;
  work->receiver->cancelled(action.first, action.count);
  if (is_known(action.first, action.count)) work->pool->tally.cancelled(action.count);
  tell([&] { return ItemsCancelled{action.work, action.first, action.count}; });
}

void TaskDispatcher::execute(const schedule::WorkEnded& action) {
  works_.erase(raw(action.work));
  tell([&] { return WorkEnded{action.work}; });
}

void TaskDispatcher::execute(const schedule::PoolBroken& action) {
  const auto found = pools_.find(action.pool);
  if (found == pools_.end()) return;
  PoolState& pool = *found->second;
  auto failure = losses_.breakage(action.why, action.loss);
  {
    const std::lock_guard lock(pool.mutex);
    pool.broken = std::move(failure);
  }
  pool.alive.store(0);
  pool.changed.notify_all();
  tell([&] { return PoolBroken{action.pool, action.why}; });
}

void TaskDispatcher::execute(const schedule::PoolEnded& action) {
  const auto found = pools_.find(action.pool);
  if (found == pools_.end()) return;
  const auto pool = std::move(found->second);
  pools_.erase(found);
  pool->alive.store(0);
  pool->tally.ended(now_);
  pool->keep_alives.clear();
  tell([&] { return PoolEnded{action.pool}; });  // before who waits for it goes on
  {
    const std::lock_guard lock(pool->mutex);
    pool->ended = true;
    if (pool->broken) broken_pools_[action.pool] = pool->broken;
  }
  if (broken_pools_.size() > kBrokenPoolsKept) broken_pools_.erase(broken_pools_.begin());
  pool->changed.notify_all();
}

detail::ResultReceiver* TaskDispatcher::receiver_of(WorkId work) {
  Work* const entry = works_.find(raw(work));
  return entry == nullptr ? nullptr : entry->receiver.get();
}

void TaskDispatcher::execute(const schedule::StartGroup& action) {
  const auto pool = pools_.find(action.pool);
  const Work* const work = works_.find(raw(action.work));
  if (pool == pools_.end() || work == nullptr) return;
  if (!work->receiver->begin(action.item, 1)) return scheduler_.group_declined(action.group);
  groups_.start(action, pool->second, work->receiver, work->label, roster_.cores());
}

void TaskDispatcher::execute(const schedule::KillGroup& action) { groups_.kill(action.group, action.signal); }

// -- time

void TaskDispatcher::tick(schedule::Time now) {
  now_ = now.count();
  scheduler_.tick(now);
  groups_.tick(now);
}

std::optional<schedule::Time> TaskDispatcher::next_deadline() const {
  const auto own = scheduler_.next_deadline();
  const auto groups = groups_.next_deadline();
  if (own && groups) return std::min(*own, *groups);
  return own ? own : groups;
}

// -- pools

void TaskDispatcher::update_alive(PoolState& pool) {
  const int now = scheduler_.workers_alive(pool.id);
  {
    const std::lock_guard lock(pool.mutex);
    if (pool.alive.exchange(now) == now) return;
  }
  pool.changed.notify_all();
}

std::vector<std::shared_ptr<PoolState>> TaskDispatcher::pools_to_stop() const {
  std::vector<std::shared_ptr<PoolState>> found;
  for (const auto& [id, pool] : pools_) {
    if (pool->close_on_stop) found.push_back(pool);
  }
  return found;
}

void TaskDispatcher::end_by_failure(PoolState& pool) {
  const std::lock_guard lock(pool.mutex);
  if (!pool.broken) pool.broken = failed_;
  pool.alive.store(0);
  pool.ended = true;
  pool.changed.notify_all();
}

void TaskDispatcher::fail_everything(const std::string& why) {
  auto failure = std::make_shared<detail::Failure>();
  failure->kind = detail::Failure::Kind::broken;
  failure->text = "the process pool is broken: " + why;
  failed_ = std::move(failure);
  for (auto& [id, pool] : pools_) {
    const std::lock_guard lock(pool->mutex);
    if (!pool->broken) pool->broken = failed_;
    pool->alive.store(0);
  }
  works_.for_each([&](std::uint64_t, Work& work) { work.receiver->fail(0, UINT64_MAX, failed_); });
  for (auto& [id, pool] : pools_) end_by_failure(*pool);
  pools_.clear();
}

}  // namespace rankpool::engine
