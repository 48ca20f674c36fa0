// What a decision of the scheduler costs, task in, chunk out, result in, done, and what a waiting task weighs. No MPI
// and no processes: this is the scheduler alone. --n=tasks; --many=1: with 1.28 million workers too.
#include "measure.hpp"

#include "schedule/scheduler.hpp"

#include <iostream>
#include <random>

namespace {

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
    const double before = bench::memory_bytes("VmRSS");
    const std::uint64_t waiting = all_at_once ? tasks : 2 * static_cast<std::uint64_t>(workers);
    while (submitted_ < waiting) submit();
    bytes_each_ = (bench::memory_bytes("VmRSS") - before) / static_cast<double>(waiting);
    carry_out();
  }
  /// Nanoseconds of CPU time for each task.
  double run(Nanoseconds busy) {
    std::mt19937 random(1);
    const double begin = bench::thread_cpu_ns();
    const std::uint64_t from = done_;
    const std::uint64_t until = from + tasks_ - running_.size();
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
    return (bench::thread_cpu_ns() - begin) / static_cast<double>(until - from);
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

void measure(int ranks, int workers, std::uint64_t tasks) {
  struct Case {
    const char* name;
    Nanoseconds busy;
    bool all_at_once;
  };
  for (const Case& one : {Case{"long tasks, all submitted before", Nanoseconds{20'000'000}, true},
                          Case{"short tasks, all submitted before", Nanoseconds{500}, true},
                          Case{"long tasks, submitted as others end", Nanoseconds{20'000'000}, false}}) {
    std::vector<double> runs;
    double bytes = 0;
    for (int i = 0; i < 5; ++i) {
      Load load(ranks, workers, tasks, one.all_at_once);
      runs.push_back(load.run(one.busy));
      if (i == 0) bytes = load.bytes_each();  // later ones reuse what the first has given back
    }
    std::cout << workers << " workers on " << ranks << " ranks, " << one.name << ": " << bench::quantile(runs, 0.5)
              << " ns a task (best " << bench::quantile(runs, 0) << ")";
    if (one.all_at_once) std::cout << ", " << bytes << " bytes for each that waits";
    std::cout << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto tasks = static_cast<std::uint64_t>(bench::option(argc, argv, "n", 1'000'000));
  measure(1, 2, tasks);
  measure(10'000, 10'000, tasks);
  measure(80, 10'000, tasks);
  if (bench::option(argc, argv, "many", 0) != 0) measure(10'000, 1'280'000, 4 * tasks);
}
