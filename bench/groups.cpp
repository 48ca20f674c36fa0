// Tasks of two ranks that return the size of their world: --n=tasks, --workers=N. Seconds a task, one at a time where
// there are two workers, several at a time where there are more.
#include "measure.hpp"

#include <rankpool/mpi.hpp>

namespace {

int size_of(const boost::mpi::communicator& world, int) { return world.size(); }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 20);
    const long workers = bench::option(count, arguments, "workers", 2);
    rankpool::ProcessPoolExecutor executor(workers);
    executor.bootup();
    if (executor.submit({.ranks = 2}, size_of, 0).result() != 2) return 1;  // warms up
    const std::vector<int> tasks(static_cast<std::size_t>(n));
    const auto begin = bench::Clock::now();
    for (const int size : executor.map({.ranks = 2}, size_of, tasks)) {
      if (size != 2) return 1;
    }
    bench::Report().add("seconds", bench::seconds_since(begin) / static_cast<double>(n)).print();
    return 0;
  });
}
