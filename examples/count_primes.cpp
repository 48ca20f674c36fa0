// How many primes lie below 40000, counted in four ranges at a time.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <utility>
#include <vector>

int count_primes(int begin, int end) {
  int count = 0;
  for (int n = begin < 2 ? 2 : begin; n < end; ++n) {
    bool prime = true;
    for (int i = 2; i * i <= n && prime; ++i) prime = n % i != 0;
    count += prime ? 1 : 0;
  }
  return count;
}

int app() {
  const std::vector<std::pair<int, int>> ranges{{0, 10000}, {10000, 20000}, {20000, 30000}, {30000, 40000}};
  rankpool::ProcessPoolExecutor executor(4);
  int total = 0;
  for (int count : executor.starmap(count_primes, ranges)) {
    std::cout << count << " primes\n";
    total += count;
  }
  std::cout << total << " in all\n";
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
