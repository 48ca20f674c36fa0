// What watching costs: a map of tasks of --us=MICROSECONDS (computing, not waiting), --n=items, --trace=FILE ("":
// none), --progress=1. Items a second, what the trace takes for each, and rank 0's CPU time for each, in which other
// processes hardly show.
#include "measure.hpp"
#include "work.hpp"

#include <rankpool/rankpool.hpp>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <thread>

int main(int argc, char** argv) {
  const std::string trace = bench::text_option(argc, argv, "trace", "");
  if (!trace.empty()) ::setenv("RANKPOOL_TRACE", trace.c_str(), 1);
  double seconds = 0;
  double cpu_seconds = 0;
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
      const std::clock_t cpu_begin = std::clock();
      executor.map(options, bench::spin, std::vector<long>(items.begin(), items.begin() + part)).to_vector();
      seconds = bench::seconds_since(begin);
      // What the observer has not read yet is its work too.
      if (!trace.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      cpu_seconds = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    }
    return 0;
  });
  bench::Report report;
  report.add("items_per_s", static_cast<double>(n) / seconds);
  report.add("rank_zero_cpu_us", 1e6 * cpu_seconds / static_cast<double>(n));
  if (!trace.empty()) {
    report.add("trace_bytes_per_item",
               static_cast<double>(std::filesystem::file_size(trace)) / (1.05 * static_cast<double>(n)));
    std::filesystem::remove(trace);
  }
  report.print();
  return status;
}
