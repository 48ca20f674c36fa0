// For reference: oneTBB's parallel_for over long -> long, in threads of one process, which share their fate.
// --n=items, --chunk=C (0: TBB's own choice), --rounds=R. Items a second.
#include "../measure.hpp"

#include <tbb/parallel_for.h>

namespace {

[[gnu::noinline]] long identity(long x) {
  asm volatile("" : "+r"(x));
  return x;
}

}  // namespace

int main(int argc, char** argv) {
  const auto n = static_cast<std::size_t>(bench::option(argc, argv, "n", 1'000'000));
  const auto chunk = static_cast<std::size_t>(bench::option(argc, argv, "chunk", 0));
  std::vector<double> times;
  for (long round = 0; round <= bench::option(argc, argv, "rounds", 3); ++round) {
    std::vector<long> results(n);
    const auto body = [&](const tbb::blocked_range<std::size_t>& range) {
      for (std::size_t i = range.begin(); i < range.end(); ++i) results[i] = identity(static_cast<long>(i));
    };
    const auto begin = bench::Clock::now();
    if (chunk > 0) {
      tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n, chunk), body, tbb::simple_partitioner());
    } else {
      tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n), body);
    }
    if (round > 0) times.push_back(bench::seconds_since(begin));
  }
  bench::Report().add("items_per_s", static_cast<double>(n) / bench::quantile(times, 0.5)).print();
  return 0;
}
