// Maps of few items, --rounds=R of them with a rest of --rest-us=U before each: --n=16 tasks that compute for
// --iterations=I, read by to_vector; --workers=W. Seconds of a map, and of a map over the ideal: the same tasks shared
// out among as many threads, which are there already, just before. With --iterations=0 the tasks do nothing, and there
// is no ideal.
#include "measure.hpp"
#include "work.hpp"

#include <rankpool/rankpool.hpp>

#include <sched.h>
#include <atomic>
#include <thread>

namespace {

/// This thread has that core alone, whatever a launcher gave it; the kernel may leave new threads on one core for
/// milliseconds.
void bind_to(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(core) % std::thread::hardware_concurrency(), &cores);
  ::sched_setaffinity(0, sizeof cores, &cores);
}

/// Seconds that `tasks` tasks take when so many threads, all of them awake, share them evenly. Two cores at work at the
/// same time may be slower than one alone, so that this is no part of a serial run.
double ideal_seconds(int threads, long tasks, long iterations) {
  cpu_set_t before;
  ::sched_getaffinity(0, sizeof before, &before);
  bind_to(0);
  std::atomic<int> ready{0};
  std::atomic<int> ended{0};
  std::atomic<bool> go{false};
  const auto share = [&](int number) {
    for (long task = number; task < tasks; task += threads) bench::spin(iterations);
    ++ended;
  };
  std::vector<std::jthread> others;
  for (int number = 1; number < threads; ++number) {
    others.emplace_back([&, number] {
      bind_to(number);
      ++ready;
      while (!go) std::this_thread::yield();
      share(number);
    });
  }
  while (ready < threads - 1) std::this_thread::yield();
  const auto begin = bench::Clock::now();
  go = true;
  share(0);
  while (ended < threads) std::this_thread::yield();
  const double seconds = bench::seconds_since(begin);
  ::sched_setaffinity(0, sizeof before, &before);
  return seconds;
}

}  // namespace

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
      const double ideal = iterations > 0 ? ideal_seconds(executor.num_workers(), n, iterations) : 1;
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
