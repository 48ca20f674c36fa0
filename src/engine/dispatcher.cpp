#include "engine/dispatcher.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <variant>

namespace rankpool::engine {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace

void Dispatcher::handle(Command& command) {
  std::visit(Overloaded{
                 [&](auto& of_tasks) { tasks_.handle(of_tasks); },
                 [&](MakeSharedValue& c) { shared_.handle(c); },
                 [&](MakeSharedQueue& c) { shared_.handle(c); },
                 [&](MakeSharedBlob& c) { shared_.handle(c); },
                 [&](ForgetShared& c) { shared_.handle(c); },
                 [&](CallShared& c) { shared_.handle(c); },
                 [&](EndJob&) {
                   job_ended_ = true;
                   shared_.end("the job has ended");
                 },
             },
             command);
}

void Dispatcher::tick(schedule::Time now) {
  tasks_.tick(now);
  shared_.tick(now);
}

std::optional<schedule::Time> Dispatcher::next_deadline() const {
  const auto tasks = tasks_.next_deadline();
  const auto shared = shared_.next_deadline();
  if (tasks && shared) return std::min(*tasks, *shared);
  return tasks ? tasks : shared;
}

bool Dispatcher::carry_out() {
  bool any = tasks_.carry_out();
  any |= shared_.carry_out();
  workers_.flush();
  return any;
}

void Dispatcher::fail_everything(const std::string& why) noexcept {
  try {
    tasks_.fail_everything(why);
    shared_.end(why);
  } catch (...) {
    base::log_error("out of memory while failing the pending tasks");
  }
}

void Dispatcher::rank_lost(Rank rank, const RankEnd& end) {
  if (workers_.rank(rank).port == nullptr) return;
  any_rank_lost_ = true;
  for (const WorkerId worker : tasks_.rank_lost(rank, end)) shared_.worker_gone(worker);
}

void Dispatcher::worker_ended(WorkerId worker, const host::WorkerEnd& end) {
  if (tasks_.worker_ended(worker, end)) shared_.worker_gone(worker);
}

}  // namespace rankpool::engine
