#include "client/job.hpp"

#include "base/forked_copy.hpp"
#include "base/log.hpp"
#include "client/callbacks.hpp"
#include "engine/pool_commands.hpp"
#include "engine/stop_signals.hpp"

#include <rankpool/errors.hpp>

#include <algorithm>
#include <csignal>
#include <stdexcept>

namespace rankpool::client {
namespace {

std::mutex g_current_mutex;

std::shared_ptr<Job>& current_slot() {
  static std::shared_ptr<Job> job;
  return job;
}

void check_positive(const std::optional<int>& number, const char* name) {
  if (number && *number < 1) throw std::invalid_argument(std::string(name) + " must be greater than 0");
}

bool is_open(const std::weak_ptr<engine::PoolState>& pool) {
  const auto state = pool.lock();
  if (!state) return false;
  const std::lock_guard lock(state->mutex);
  return !state->ended;
}

}  // namespace

std::shared_ptr<Job> Job::current() {
  if (base::is_forked_copy()) return nullptr;
  const std::lock_guard lock(g_current_mutex);
  return current_slot();
}

void Job::set_current(std::shared_ptr<Job> job) {
  const std::lock_guard lock(g_current_mutex);
  current_slot().swap(job);
}

void Job::warn_of_oversubscription(int workers) {
  const engine::Roster& roster = engine_.roster();
  const auto ranks = roster.ranks();
  if (warned_of_oversubscription_ || (!engine_.started_by().slurm && ranks.size() < 2)) return;
  // What is left of a job is not what was asked for.
  if (!std::all_of(ranks.begin(), ranks.end(), [](const RankInfo& rank) { return rank.alive; })) return;
  const auto text =
      base::oversubscription_warning(roster.loads(workers), roster.loads(roster.capacity()), engine_.started_by());
  if (!text) return;
  warned_of_oversubscription_ = true;
  base::log_warn(*text);
}

void Job::check_context(const detail::PoolConfig& config) {
  if (config.mp_context != MpContext::in_rank) {
    if (!engine_.in_rank()) return;
    throw Error("the ranks of this CommExecutor are its workers (MpContext::in_rank): it can start no others");
  }
  if (!engine_.in_rank() || config.facade != detail::Facade::executor) {
    throw Error(
        "MpContext::in_rank is for the executor of a rankpool::CommExecutor (CommOptions::executor): nowhere else are "
        "ranks free to run tasks");
  }
  const int ranks = engine_.roster().capacity();
  if (ranks < 1) throw Error("MpContext::in_rank: no rank is left that could run tasks");
  const auto refuse = [](bool asked, const char* what) {
    if (asked) throw std::invalid_argument(std::string("MpContext::in_rank: ") + what);
  };
  refuse(config.task_timeout.has_value(), "there is no task_timeout, since a task could only be ended with its rank");
  refuse(config.max_tasks_per_child.has_value(), "there is no max_tasks_per_child, since ranks cannot be replaced");
  refuse(config.threads_per_worker != 1, "there is no threads_per_worker, since the ranks' threads are the program's");
  if (config.max_workers && *config.max_workers > ranks) {
    throw std::invalid_argument("MpContext::in_rank: max_workers is " + std::to_string(*config.max_workers) +
                                ", and there are only " + std::to_string(ranks) + " ranks to run tasks");
  }
}

std::shared_ptr<engine::PoolState> Job::open_pool(detail::PoolConfig config) {
  const bool executor = config.facade == detail::Facade::executor;
  check_positive(config.max_workers, executor ? "max_workers" : "processes");
  check_positive(config.threads_per_worker, "threads_per_worker");
  check_positive(config.max_tasks_per_child, executor ? "max_tasks_per_child" : "maxtasksperchild");
  if (config.max_retries < 0) throw std::invalid_argument("max_retries must not be negative");
  if (config.task_timeout && config.task_timeout->count() <= 0) {
    throw std::invalid_argument("task_timeout must be greater than 0");
  }
  check_context(config);
  auto state = std::make_shared<engine::PoolState>();
  state->facade = config.facade;
  state->tally.opened(watch::Observer::now());
  state->threads_per_worker = config.threads_per_worker;
  state->mp_context = config.mp_context;
  const int all = std::max(1, engine_.roster().capacity() / config.threads_per_worker);
  state->max_workers = config.max_workers.value_or(engine_.settings().max_workers.value_or(all));
  if (engine_.in_rank()) state->max_workers = std::min(state->max_workers, all);
  const bool asked_for = config.max_workers || engine_.settings().max_workers || engine_.settings().workers;
  state->initializer = std::move(config.initializer);
  state->keep_alives = std::move(config.keep_alives);
  state->close_on_stop = config.close_on_stop;
  if (config.close_on_stop) engine::stop_signals::watch();
  state->announce_items = config.task_timeout.has_value();
  state->alive.store(state->max_workers);
  schedule::PoolPolicy policy;
  policy.max_workers = state->max_workers;
  policy.replace_lost_workers = config.replace_lost_workers;
  policy.max_retries = config.max_retries;
  policy.max_chunks_per_worker = config.max_tasks_per_child.value_or(0);
  policy.task_timeout = config.task_timeout.value_or(schedule::Nanoseconds(0));
  const std::lock_guard lock(mutex_);
  if (closing_) throw ShutdownError("cannot make a new pool: the program is ending");
  if (engine_.in_rank() && std::any_of(pools_.begin(), pools_.end(), [](const auto& pool) { return is_open(pool); })) {
    throw Error("the ranks of this CommExecutor are its workers (MpContext::in_rank): one executor at a time has them");
  }
  if (asked_for) warn_of_oversubscription(state->max_workers);
  state->id = PoolId{next_pool_++};
  pools_.push_back(state);
  std::erase_if(pools_, [](const auto& pool) { return pool.expired(); });
  engine_.mailbox().post(engine::OpenPool{state, policy});
  return state;
}

void Job::close_all_pools() {
  std::vector<std::shared_ptr<engine::PoolState>> pools;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    for (const auto& pool : pools_) {
      if (auto state = pool.lock()) pools.push_back(std::move(state));
    }
  }
  for (const auto& state : pools) {
    if (state->facade == detail::Facade::executor) {
      engine::pool::close(engine_.mailbox(), *state, false);
    } else {
      engine::pool::stop(engine_.mailbox(), *state, SIGTERM);
    }
  }
  for (const auto& state : pools) pool::wait_ended(engine_, *state);
}

namespace pool {

void wait_ended(engine::Engine& engine, engine::PoolState& state) {
  engine.mailbox().post(engine::SealPool{state.id});
  {
    std::unique_lock lock(state.mutex);
    state.changed.wait(lock, [&] { return state.ended; });
  }
  if (!client::on_callback_thread()) client::drain_callbacks();
}

void wait_ready(engine::Mailbox& mailbox, engine::PoolState& state) {
  const auto check = [&] { mailbox.locked([&] { engine::pool::check_intake(state); }); };
  check();
  {
    std::unique_lock lock(state.mutex);
    const auto over = [&] { return state.broken || state.ended; };
    // Fewer than were asked for may be all there is: starts can fail, ranks can be lost. But a pool of which nobody is
    // alive is on its way to its end, even if that has not been told yet.
    const auto ready = [&] {
      const int alive = state.alive.load();
      return alive > 0 && state.ready >= std::min(state.max_workers, alive);
    };
    state.changed.wait(lock, [&] { return over() || ready(); });
    if (!over()) return;
  }
  check();
  throw ShutdownError("the pool has ended before all its workers were ready");
}

}  // namespace pool
}  // namespace rankpool::client
