// A scheduler whose workers are all busy, for programs that measure it alone.
#pragma once

#include "measure.hpp"

#include "schedule/scheduler.hpp"

#include <cstdint>
#include <random>
#include <variant>
#include <vector>

namespace bench {

using namespace rankpool;
using namespace rankpool::schedule;

/// Keeps every worker busy and lets them finish in random order.
class Load {
 public:
  Load(int ranks, int workers, std::uint64_t tasks, bool all_at_once) : tasks_(tasks), all_at_once_(all_at_once) {
    for (int rank = 0; rank < ranks; ++rank) scheduler_.rank_joined(Rank{rank}, (workers + ranks - 1) / ranks);
    PoolPolicy policy;
    policy.max_workers = workers;
    scheduler_.pool_opened(kPool, policy);
    carry_out();
    for (int i = 0; i < workers; ++i) scheduler_.worker_ready(WorkerId{static_cast<std::uint32_t>(i)});
    const double before = memory_bytes("VmRSS");
    const std::uint64_t waiting = all_at_once ? tasks : 2 * static_cast<std::uint64_t>(workers);
    while (submitted_ < waiting) submit();
    bytes_each_ = (memory_bytes("VmRSS") - before) / static_cast<double>(waiting);
    carry_out();
  }
  /// Nanoseconds of CPU time for each task, as far as there are any that have not begun.
  double run(Nanoseconds busy) { return run(busy, tasks_ - running_.size()); }
  /// The same of so many tasks.
  double run(Nanoseconds busy, std::uint64_t tasks) {
    std::mt19937 random(1);
    const double begin = thread_cpu_ns();
    const std::uint64_t from = done_;
    const std::uint64_t until = from + tasks;
    while (done_ < until) {
      const std::size_t i = random() % running_.size();
      const WorkerId worker = running_[i];
      running_[i] = running_.back();
      running_.pop_back();
      scheduler_.items_ended(worker, 1);
      scheduler_.chunk_done(worker, busy);
      ++done_;
      if (!all_at_once_) submit();
      carry_out();
    }
    return (thread_cpu_ns() - begin) / static_cast<double>(until - from);
  }
  [[nodiscard]] double bytes_each() const { return bytes_each_; }

 private:
  static constexpr PoolId kPool{0};
  void submit() { scheduler_.work_submitted(kPool, WorkId{submitted_++}, WorkSpec{}); }
  void carry_out() {
    actions_.clear();
    scheduler_.take_actions(actions_);
    for (const Action& action : actions_) {
      if (const auto* chunk = std::get_if<SendChunk>(&action)) running_.push_back(chunk->worker);
    }
  }

  Scheduler scheduler_;
  std::vector<Action> actions_;
  std::vector<WorkerId> running_;  ///< one entry for each chunk that is out
  std::uint64_t submitted_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t tasks_;
  bool all_at_once_;
  double bytes_each_ = 0;
};

}  // namespace bench
