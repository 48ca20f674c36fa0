// The example of Python's documentation of multiprocessing.Pool.
#include <rankpool/rankpool.hpp>

#include <chrono>
#include <iostream>
#include <ranges>
#include <set>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;

long f(long x) { return x * x; }

long multiply(long a, long b) { return a * b; }

void sleep_for(int seconds) { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }

void print(const std::vector<long>& numbers) {
  for (long number : numbers) std::cout << number << ' ';
  std::cout << '\n';
}

int app() {
  {
    rankpool::Pool pool(4);
    const auto numbers = std::views::iota(0, 10);
    print(pool.map(f, numbers));

    // In any order: their sum is the same.
    long sum = 0;
    for (long square : pool.imap_unordered(f, numbers)) sum += square;
    std::cout << "sum: " << sum << '\n';

    // One task, in a process of its own.
    std::cout << pool.apply_async(f, std::tuple(20)).get(1min) << '\n';
    std::cout << "elsewhere: " << std::boolalpha << (pool.apply(::getpid) != ::getpid()) << '\n';

    // Several calls may run in several processes: in at most four here.
    std::vector<rankpool::AsyncResult<pid_t>> results;
    for (int i = 0; i < 10; ++i) results.push_back(pool.apply_async(::getpid));
    std::set<pid_t> processes;
    for (const auto& result : results) processes.insert(result.get());
    std::cout << "at most four: " << (processes.size() <= 4) << '\n';

    // Several arguments for each call.
    print(pool.starmap(multiply, std::vector<std::pair<long, long>>{{1, 2}, {3, 4}, {5, 6}}));

    // Results one by one, each as soon as it is there.
    auto squares = pool.imap(f, numbers);
    std::cout << *squares.next() << ' ' << *squares.next() << ' ' << *squares.next(1min) << '\n';

    try {
      pool.apply_async(sleep_for, std::tuple(10)).get(100ms);
    } catch (const rankpool::TimeoutError&) {
      std::cout << "We lacked patience and got a TimeoutError\n";
    }
    std::cout << "For the moment, the pool remains available for more work\n";
  }  // the sleeping task ends with the pool
  std::cout << "Now the pool is closed and no longer available\n";
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
