// What watching costs: a map of tasks of --us=MICROSECONDS (computing, not waiting), --n=items, --trace=FILE ("":
// none), --progress=1. Items a second, and what the trace takes for each.
#include "measure.hpp"
#include "work.hpp"

#include <rankpool/rankpool.hpp>

#include <filesystem>

int main(int argc, char** argv) {
  const std::string trace = bench::text_option(argc, argv, "trace", "");
  if (!trace.empty()) ::setenv("RANKPOOL_TRACE", trace.c_str(), 1);
  double seconds = 0;
  const long n = bench::option(argc, argv, "n", 400'000);
  const int status = rankpool::run(argc, argv, [&](int count, char** arguments) {
    // The clock that tells how many turns a task has is not the one that is measured.
    const auto us = static_cast<double>(bench::option(count, arguments, "us", 10));
    const auto begin_calibration = bench::Clock::now();
    constexpr long turns = 20'000'000;
    bench::spin(turns);
    const long each = std::max(1L, std::lround(us * 1e-6 * turns / bench::seconds_since(begin_calibration)));
    const std::vector<long> items(static_cast<std::size_t>(n), each);
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    rankpool::MapOptions options;
    if (bench::option(count, arguments, "progress", 0) != 0) options.progress = "bench";
    for (const long part : {n / 20, n}) {  // the first warms up
      const auto begin = bench::Clock::now();
      executor.map(options, bench::spin, std::vector<long>(items.begin(), items.begin() + part)).to_vector();
      seconds = bench::seconds_since(begin);
    }
    return 0;
  });
  bench::Report report;
  report.add("items_per_s", static_cast<double>(n) / seconds);
  if (!trace.empty()) {
    report.add("trace_bytes_per_item",
               static_cast<double>(std::filesystem::file_size(trace)) / (1.05 * static_cast<double>(n)));
    std::filesystem::remove(trace);
  }
  report.print();
  return status;
}
