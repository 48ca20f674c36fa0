// map over tasks that compute for --iterations=I, or wait for --sleep-us=U, --n of them, --chunk=N (0: default),
// --workers=W. Seconds, and what the library's own processes and threads used of a core meanwhile.
// --skew=sorted|reversed|random: one in five is 46 times as long as the others, and the mean is I.
#include "measure.hpp"
#include "processes.hpp"
#include "work.hpp"

#include <random>
#include <thread>

namespace {

long wait_for(long microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return microseconds;
}

std::vector<long> lengths(long n, long mean, const std::string& skew) {
  std::vector<long> items(static_cast<std::size_t>(n), mean);
  if (skew.empty()) return items;
  for (std::size_t i = 0; i < items.size(); ++i) items[i] = 5 * i < 4 * items.size() ? mean / 10 : mean * 46 / 10;
  if (skew == "reversed") std::reverse(items.begin(), items.end());
  if (skew == "random") std::shuffle(items.begin(), items.end(), std::mt19937(1));
  return items;
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long chunk = bench::option(count, arguments, "chunk", 0);
    const long workers = bench::option(count, arguments, "workers", 0);
    const long microseconds = bench::option(count, arguments, "sleep-us", 0);
    const auto items = lengths(bench::option(count, arguments, "n", 1000),
                               microseconds > 0 ? microseconds : bench::option(count, arguments, "iterations", 1000),
                               bench::text_option(count, arguments, "skew", ""));
    rankpool::ExecutorOptions pool;
    if (workers > 0) pool.max_workers = static_cast<int>(workers);
    rankpool::ProcessPoolExecutor executor(pool);
    executor.bootup();
    rankpool::MapOptions options;
    if (chunk > 0) options.chunksize = static_cast<int>(chunk);
    const auto task = microseconds > 0 ? wait_for : bench::spin;
    executor.map(options, task, std::vector<long>(100, 1)).to_vector();  // warms up

    const double used_before = bench::cpu_seconds_of_library();
    const auto begin = bench::Clock::now();
    const auto results = executor.map(options, task, items).to_vector();
    const double seconds = bench::seconds_since(begin);
    const double used = bench::cpu_seconds_of_library() - used_before;
    if (results != items) return 1;
    bench::Report()
        .add("workers", executor.num_workers())
        .add("seconds", seconds)
        .add("library_share_of_core", used / seconds)
        .print();
    return 0;
  });
}
