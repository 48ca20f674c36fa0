// The example of Python's documentation of ProcessPoolExecutor: which of these numbers are prime?
#include <rankpool/rankpool.hpp>

#include <cmath>
#include <iostream>
#include <vector>

bool is_prime(long n) {
  if (n < 2) return false;
  if (n == 2) return true;
  if (n % 2 == 0) return false;
  const long root = static_cast<long>(std::floor(std::sqrt(static_cast<double>(n))));
  for (long i = 3; i <= root; i += 2) {
    if (n % i == 0) return false;
  }
  return true;
}

int app() {
  const std::vector<long> numbers{112272535095293, 112582705942171, 112272535095293,
                                  115280095190773, 115797848077099, 1099726899285419};
  rankpool::ProcessPoolExecutor executor;
  auto number = numbers.begin();
  for (bool prime : executor.map(is_prime, numbers)) {
    std::cout << *number++ << " is prime: " << (prime ? "True" : "False") << '\n';
  }
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
