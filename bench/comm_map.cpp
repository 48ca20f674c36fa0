// map over `long -> long` that does nothing, in a program that initialises MPI itself, on a CommExecutor, and the
// same under run: --way=comm|run, --n=items, --chunk=N (0: default). Items a second.
#include "measure.hpp"

#include <rankpool/mpi.hpp>

#include <boost/mpi/environment.hpp>

#include <numeric>

namespace {

long identity(long x) { return x; }

int measure(rankpool::ProcessPoolExecutor& executor, int count, char** arguments) {
  const long n = bench::option(count, arguments, "n", 1'000'000);
  const long chunk = bench::option(count, arguments, "chunk", 0);
  std::vector<long> items(static_cast<std::size_t>(n));
  std::iota(items.begin(), items.end(), 0L);
  rankpool::MapOptions options;
  if (chunk > 0) options.chunksize = static_cast<int>(chunk);
  executor.bootup();
  std::vector<double> times;
  for (int round = 0; round <= 5; ++round) {  // the first warms up
    const auto begin = bench::Clock::now();
    const auto results = executor.map(options, identity, items).to_vector();
    if (results != items) return 1;
    if (round > 0) times.push_back(bench::seconds_since(begin));
  }
  bench::Report().add("items_per_s", static_cast<double>(n) / bench::quantile(times, 0.5)).print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (bench::text_option(argc, argv, "way", "comm") == "run") {
    return rankpool::run(argc, argv, [](int count, char** arguments) {
      rankpool::ProcessPoolExecutor executor;
      return measure(executor, count, arguments);
    });
  }
  rankpool::prepare(argc, argv);
  const boost::mpi::environment environment(argc, argv, boost::mpi::threading::single);
  int status = 0;
  if (rankpool::CommExecutor executor(MPI_COMM_WORLD); executor) status = measure(*executor, argc, argv);
  return status;
}
