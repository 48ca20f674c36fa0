#pragma once

// What the programs check that initialise MPI themselves.

#include <rankpool/executor.hpp>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

inline void expect(bool is_so, const char* what) {
  if (!is_so) throw std::runtime_error(std::string("not so: ") + what);
}
#define EXPECT(condition) expect(condition, #condition)

inline long square(long x) { return x * x; }
inline std::vector<long> numbers(long count) {
  std::vector<long> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0L);
  return all;
}
inline void check_map(rankpool::ProcessPoolExecutor& executor, long count) {
  long next = 0;
  for (const long result : executor.map(square, numbers(count))) {
    EXPECT(result == square(next));
    ++next;
  }
  EXPECT(next == count);
}
