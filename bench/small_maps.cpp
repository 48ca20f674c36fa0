// Maps of few items, --rounds=R of them with a rest of --rest-us=U before each: --n=16 tasks that compute for
// --iterations=I, read by to_vector; --workers=W. Seconds of a map, and of a map over the ideal: the same tasks one
// after the other here, just before, divided by the workers. With --iterations=0 the tasks do nothing, and there is no
// ideal.
#include "measure.hpp"
#include "work.hpp"

#include <rankpool/rankpool.hpp>

#include <thread>

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 16);
    const long iterations = bench::option(count, arguments, "iterations", 1000);
    const long rounds = bench::option(count, arguments, "rounds", 200);
    const std::chrono::microseconds rest(bench::option(count, arguments, "rest-us", 1000));
    const long workers = bench::option(count, arguments, "workers", 0);
    rankpool::ExecutorOptions pool;
    if (workers > 0) pool.max_workers = static_cast<int>(workers);
    rankpool::ProcessPoolExecutor executor(pool);
    executor.bootup();
    const std::vector<long> items(static_cast<std::size_t>(n), iterations);
    std::vector<double> times;
    std::vector<double> ratios;
    for (long round = -10; round < rounds; ++round) {  // the first warm up
      const auto serial_begin = bench::Clock::now();
      for (const long item : items) bench::spin(item);
      const double ideal = bench::seconds_since(serial_begin) / executor.num_workers();
      if (rest.count() > 0) std::this_thread::sleep_for(rest);
      const auto begin = bench::Clock::now();
      const auto results = executor.map(bench::spin, items).to_vector();
      const double seconds = bench::seconds_since(begin);
      if (results != items) return 1;
      if (round < 0) continue;
      times.push_back(seconds);
      ratios.push_back(seconds / ideal);
    }
    bench::Report report;
    report.add_times("seconds", times);
    if (iterations > 0) report.add("over_ideal", bench::quantile(ratios, 0.5));
    report.print();
    return 0;
  });
}
