// What a decision of the scheduler costs, task in, chunk out, result in, done, and what a waiting task weighs. No MPI
// and no processes: this is the scheduler alone. --n=tasks; --many=1: with 1.28 million workers too.
#include "measure.hpp"
#include "scheduler_load.hpp"

#include <iostream>
#include <vector>

namespace {

using bench::Load;
using rankpool::schedule::Nanoseconds;

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
