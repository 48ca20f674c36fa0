// Items a second of map over `long -> long` that does nothing: default chunks, or --chunk=N.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <iostream>
#include <numeric>

namespace {

long identity(long x) { return x; }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 1'000'000);
    const long chunk = bench::option(count, arguments, "chunk", 0);
    const long rounds = bench::option(count, arguments, "rounds", 7);
    std::vector<long> items(static_cast<std::size_t>(n));
    std::iota(items.begin(), items.end(), 0L);
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    rankpool::MapOptions options;
    if (chunk > 0) options.chunksize = static_cast<int>(chunk);
    std::vector<double> rates;
    for (long round = 0; round <= rounds; ++round) {
      const auto begin = bench::Clock::now();
      const auto results = executor.map(options, identity, items).to_vector();
      const double seconds = bench::seconds_since(begin);
      if (results != items) return 1;
      if (round > 0) rates.push_back(static_cast<double>(n) / seconds);
    }
    std::cout << executor.num_workers() << " workers, " << n << " items, chunk "
              << (chunk > 0 ? std::to_string(chunk) : "default") << ": median " << bench::quantile(rates, 0.5) / 1e6
              << " million items/s (" << 1e6 / bench::quantile(rates, 0.5) << " us an item)\n";
    return 0;
  });
}
