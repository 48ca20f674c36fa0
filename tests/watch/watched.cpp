// A program to be watched: watched WHAT [NUMBERS...].
#include <rankpool/rankpool.hpp>

#include <unistd.h>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using std::chrono::duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

long rest(long ms) {
  std::this_thread::sleep_for(milliseconds(ms));
  return ms;
}
long spin(long us) {
  for (const auto end = Clock::now() + microseconds(us); Clock::now() < end;) {
  }
  return us;
}
long unlucky(long i) {
  std::this_thread::sleep_for(milliseconds(2));
  if (i % 10 == 3) throw std::runtime_error("unlucky");
  return i;
}
/// Its worker dies when it is run for the first time.
long deadly(long i, std::string mark) {
  std::this_thread::sleep_for(milliseconds(5));
  if (i == 20 && ::access(mark.c_str(), F_OK) != 0) {
    std::fclose(std::fopen(mark.c_str(), "w"));
    std::raise(SIGKILL);
  }
  return i;
}
/// The tenth has 200 MB for a while.
long tenth_is_large(long i) {
  const std::vector<char> memory(i == 10 ? 200'000'000 : 1, 'x');
  std::this_thread::sleep_for(milliseconds(10));
  return memory.back() == 'x' ? i : 0;
}
/// One of a chunk is long.
long mostly_short(long i) { return spin(i == 41 ? 60'000 : 20); }

std::vector<long> numbers(long count, long value) { return std::vector<long>(static_cast<std::size_t>(count), value); }
std::vector<long> counted(long count) {
  std::vector<long> all;
  for (long i = 0; i < count; ++i) all.push_back(i);
  return all;
}

int check(bool holds, const char* what) {
  if (!holds) std::cout << "wrong: " << what << "\n";
  return holds ? 0 : 1;
}

/// The sums of the insights against this program's own clock.
int sums() {
  const auto begin = Clock::now();
  rankpool::ProcessPoolExecutor executor(2);
  executor.map(rest, numbers(100, 10)).to_vector();
  // To name the longest tasks the first time, the program's symbols are read: that takes its time.
  const double before = duration<double>(Clock::now() - begin).count();
  const rankpool::Insights all = executor.insights();
  const double after = duration<double>(Clock::now() - begin).count();
  int wrong = check(all.done == 100 && all.failed == 0 && all.unfinished == 0, "tasks");
  const double told = duration<double>(all.wall).count();
  wrong += check(told > before * 0.99 && told <= after, "wall");
  for (const auto& worker : all.workers) {
    const double life = duration<double>(worker.busy + worker.idle).count();
    wrong += check(life > told * 0.99 && life <= told * 1.01, "busy + idle");
    wrong += check(worker.busy > milliseconds(300), "busy");
  }
  wrong += check(all.mean >= milliseconds(10) && all.longest.size() == 10, "lengths");
  wrong += check(all.longest.front().name.find("rest(long)") != std::string::npos, "name of the longest");
  wrong += check(all.bytes_in == 800 && all.bytes_out == 800, "bytes");
  executor.shutdown();
  const rankpool::Insights later = executor.insights();
  wrong += check(later.done == 100 && !later.workers.front().alive, "after the end");
  if (wrong == 0) std::cout << "the sums are right\n";
  return wrong;
}

/// What an item took is known in a chunk too, if it was long.
int chunk() {
  rankpool::ProcessPoolExecutor executor(2);
  for ([[maybe_unused]] const long us : executor.map({.chunksize = 20}, mostly_short, counted(200))) {
  }
  const rankpool::Insights all = executor.insights();
  int wrong = check(all.longest.front().number == 41, "the longest one");
  wrong += check(all.longest.front().time > milliseconds(55), "its time");
  wrong += check(all.median < milliseconds(5), "the median");
  if (wrong == 0) std::cout << "the longest is known\n";
  return wrong;
}

int app(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "even";
  const auto number = [&](int at, long otherwise) {
    return argc > at ? std::strtol(argv[at], nullptr, 10) : otherwise;
  };
  if (what == "sums") return sums();
  if (what == "chunk") return chunk();
  rankpool::ExecutorOptions options;
  options.max_workers = 2;
  if (what == "crash") {
    options.on_worker_death = rankpool::OnWorkerDeath::replace;
    options.max_retries = 2;
  }
  rankpool::ProcessPoolExecutor executor(options);
  rankpool::MapOptions map;
  map.progress = "fits";
  long sum = 0;
  if (what == "even" || what == "plain") {
    if (what == "plain") map.progress.reset();
    for (const long ms : executor.map(map, rest, numbers(number(2, 100), number(3, 10)))) sum += ms;
  } else if (what == "busy") {
    for (const long us : executor.map(map, spin, numbers(number(2, 100'000), number(3, 10)))) sum += us;
  } else if (what == "talk") {  // on the terminal meanwhile
    for (const long ms : executor.map(map, rest, numbers(number(2, 100), number(3, 10)))) {
      sum += ms;
      std::cout << "line " << sum / ms << " of the program" << std::endl;
    }
  } else if (what == "two") {
    rankpool::MapOptions other = map;
    other.progress = "größe 計算";
    std::thread thread([&] {
      for ([[maybe_unused]] const long ms : executor.map(other, rest, numbers(number(2, 100), number(3, 10)))) {
      }
    });
    for (const long ms : executor.map(map, rest, numbers(number(2, 100), number(3, 10)))) sum += ms;
    thread.join();
  } else if (what == "stream") {
    map.buffersize = 4;
    for (const long ms : executor.map(map, rest, numbers(number(2, 50), number(3, 10)))) sum += ms;
  } else if (what == "told") {  // by the program itself
    const long count = number(2, 100);
    rankpool::Progress progress("fits", static_cast<std::uint64_t>(count));
    std::vector<rankpool::Future<long>> futures;
    for (const long ms : numbers(count, number(3, 10))) futures.push_back(executor.submit(rest, ms));
    for (const auto& done : rankpool::as_completed(futures)) {
      sum += done.result();
      progress.advance();
    }
  } else if (what == "failing") {
    for (const auto& outcome : executor.map(map, unlucky, counted(number(2, 50))).outcomes())
      sum += outcome.value.value_or(0);
  } else if (what == "memory") {
    for (const long i : executor.map(map, tenth_is_large, counted(number(2, 50)))) sum += i;
  } else if (what == "crash") {
    const std::string mark = "/tmp/rankpool_watched." + std::to_string(::getpid());
    for (const long i : executor.map(map, deadly, counted(50), std::vector<std::string>(50, mark))) sum += i;
    std::remove(mark.c_str());
  }
  std::cout << "the sum is " << sum << std::endl;
  if (argc > 4 && std::string(argv[4]) == "insights") std::cout << executor.insights();
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
