#include "base/log.hpp"
#include "engine/dispatcher.hpp"

#include <utility>

namespace rankpool::engine {

schedule::LossId Dispatcher::note(Loss loss) {
  constexpr std::size_t kept = 4096;  // far more than one round of the loop can bring; older ones have been told
  losses_.push_back(std::move(loss));
  if (losses_.size() > kept) losses_.pop_front();
  return schedule::LossId{++last_loss_};
}

const Loss* Dispatcher::find_loss(schedule::LossId id) const {
  const std::uint32_t age = last_loss_ - raw(id);
  if (id == schedule::LossId::none || age >= losses_.size()) return nullptr;
  return &losses_[losses_.size() - 1 - age];
}

Loss Dispatcher::loss_of(WorkerId id, const Worker& worker) const {
  Loss loss;
  loss.worker = static_cast<int>(raw(id));
  loss.rank = raw(worker.rank);
  loss.host = worker.at->facts.host;
  loss.pid = worker.pid;
  return loss;
}

detail::FailurePtr Dispatcher::failure_for(schedule::Reason reason, schedule::LossId id, PoolState* pool) const {
  if (reason == schedule::Reason::pool_broken) {
    if (auto broken = pool->why_broken()) return broken;
  }
  auto failure = std::make_shared<detail::Failure>();
  const Loss* const loss = find_loss(id);
  switch (reason) {
    case schedule::Reason::worker_lost:
      failure->kind = detail::Failure::Kind::terminated_worker;
      failure->text = (loss != nullptr ? loss->text : std::string("the worker was lost")) + " while it ran this task";
      break;
    case schedule::Reason::pool_broken:
      failure->kind = detail::Failure::Kind::broken;
      failure->text = "the process pool is broken";
      break;
    case schedule::Reason::forced_stop:
      failure->kind = detail::Failure::Kind::broken;
      failure->text = "the task was running when its workers were forcefully shut down";
      break;
    case schedule::Reason::task_timeout:
      failure->kind = detail::Failure::Kind::task_timeout;
      failure->text = "the task ran past its task_timeout; its worker was killed";
      break;
  }
  if (loss != nullptr) failure->causes.push_back(*loss);
  return failure;
}

void Dispatcher::end_by_failure(PoolState& pool) {
  const std::lock_guard lock(pool.mutex);
  if (!pool.broken) pool.broken = failed_;
  pool.alive.store(0);
  pool.ended = true;
  pool.changed.notify_all();
}

void Dispatcher::fail_everything(const std::string& why) noexcept {
  try {
    auto failure = std::make_shared<detail::Failure>();
    failure->kind = detail::Failure::Kind::broken;
    failure->text = "the process pool is broken: " + why;
    failed_ = std::move(failure);
    for (auto& [id, pool] : pools_) {
      const std::lock_guard lock(pool->mutex);
      if (!pool->broken) pool->broken = failed_;
      pool->alive.store(0);
    }
    works_.for_each([&](std::uint64_t, Work& work) { work.sink->fail(0, UINT64_MAX, failed_); });
    for (auto& [id, pool] : pools_) end_by_failure(*pool);
    pools_.clear();
    fail_shared_calls(why);
  } catch (...) {
    base::log_error("out of memory while failing the pending tasks");
  }
}

}  // namespace rankpool::engine
