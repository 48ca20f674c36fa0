// What all processes of the job use of a core while nothing is to be done for --seconds=N, how soon the next task then
// starts, and, to compare, how soon a thread of this process that waits for a futex does.
#include "measure.hpp"
#include "processes.hpp"

#include <atomic>
#include <thread>

namespace {

constexpr auto kRest = std::chrono::milliseconds(20);

double start_of_task() { return bench::now_in_seconds(); }

std::vector<double> task_starts(rankpool::ProcessPoolExecutor& executor, long rounds) {
  std::vector<double> delays;
  for (long i = 0; i < rounds; ++i) {
    std::this_thread::sleep_for(kRest);
    const double submitted = bench::now_in_seconds();
    delays.push_back(executor.submit(start_of_task).result() - submitted);
  }
  return delays;
}

std::vector<double> futex_wakes(long rounds) {
  std::atomic<long> rung = 0;
  std::atomic<long> answered = 0;
  std::atomic<double> woken = 0;
  std::thread sleeper([&] {
    for (long i = 0; i < rounds; ++i) {
      rung.wait(i);
      woken = bench::now_in_seconds();
      answered = i + 1;
      answered.notify_one();
    }
  });
  std::vector<double> delays;
  for (long i = 0; i < rounds; ++i) {
    std::this_thread::sleep_for(kRest);
    const double begin = bench::now_in_seconds();
    rung = i + 1;
    rung.notify_one();
    answered.wait(i);
    delays.push_back(woken - begin);
  }
  sleeper.join();
  return delays;
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long seconds = bench::option(count, arguments, "seconds", 10);
    const long rounds = bench::option(count, arguments, "rounds", 100);
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    for (int i = 0; i < 100; ++i) executor.submit(start_of_task).result();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double before = bench::cpu_seconds_of_job();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const double used = bench::cpu_seconds_of_job() - before;
    bench::Report()
        .add("share_of_core", used / static_cast<double>(seconds))
        .add("task_start_s", bench::quantile(task_starts(executor, rounds), 0.5))
        .add("futex_wake_s", bench::quantile(futex_wakes(rounds), 0.5))
        .print();
    return 0;
  });
}
