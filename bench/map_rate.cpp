// map over `long -> long` that does nothing: --n=items, --chunk=N (0: default), --rounds=R, --workers=W. Items a
// second, the most that rank 0's memory grew beyond what the input takes, and its peak.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <numeric>

namespace {

long identity(long x) { return x; }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 1'000'000);
    const long chunk = bench::option(count, arguments, "chunk", 0);
    const long rounds = bench::option(count, arguments, "rounds", 3);
    std::vector<long> items(static_cast<std::size_t>(n));
    std::iota(items.begin(), items.end(), 0L);
    const long workers = bench::option(count, arguments, "workers", 0);
    rankpool::ExecutorOptions pool;
    if (workers > 0) pool.max_workers = static_cast<int>(workers);
    rankpool::ProcessPoolExecutor executor(pool);
    executor.bootup();
    rankpool::MapOptions options;
    if (chunk > 0) options.chunksize = static_cast<int>(chunk);
    std::vector<double> times;
    double growth = 0;
    for (long round = 0; round <= rounds; ++round) {  // the first warms up, and tells what memory it takes
      bench::forget_peak_memory();
      const double before = bench::memory_bytes("VmRSS");
      const auto begin = bench::Clock::now();
      const auto results = executor.map(options, identity, items).to_vector();
      const double seconds = bench::seconds_since(begin);
      if (round == 0) growth = bench::memory_bytes("VmHWM") - before;
      if (results != items) return 1;
      if (round > 0 || rounds == 0) times.push_back(seconds);
    }
    bench::Report()
        .add("workers", executor.num_workers())
        .add("items_per_s", static_cast<double>(n) / bench::quantile(times, 0.5))
        .add("peak_growth_over_data", growth / (static_cast<double>(n) * sizeof(long)))
        .add("rank0_peak_bytes", bench::memory_bytes("VmHWM"))
        .print();
    return 0;
  });
}
