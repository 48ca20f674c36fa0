// --n=N increments of one Value by --workers=W workers, each under its lock and after --think-us=T of work: seconds.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <mutex>

namespace {

void increment(rankpool::Value<long> counter, long times, long think_us) {
  rankpool::Lock lock = counter.get_lock();
  for (long i = 0; i < times; ++i) {
    for (const auto end = bench::Clock::now() + std::chrono::microseconds(think_us); bench::Clock::now() < end;) {
    }
    const std::lock_guard held(lock);
    counter.set(counter.get() + 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long workers = bench::option(count, arguments, "workers", 4);
    const long think_us = bench::option(count, arguments, "think-us", 0);
    const long each = bench::option(count, arguments, "n", 400'000) / workers;
    rankpool::ProcessPoolExecutor executor(static_cast<int>(workers));
    executor.bootup();
    rankpool::Value<long> counter(0);
    const auto begin = bench::Clock::now();
    std::vector<rankpool::Future<void>> all;
    for (long i = 0; i < workers; ++i) all.push_back(executor.submit(increment, counter, each, think_us));
    for (const auto& one : all) one.result();
    const double seconds = bench::seconds_since(begin);
    if (counter.get() != workers * each) return 1;
    bench::Report().add("seconds", seconds).print();
    return 0;
  });
}
