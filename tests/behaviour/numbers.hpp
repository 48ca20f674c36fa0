#pragma once

#include <cstddef>
#include <numeric>
#include <vector>

/// 0, 1, ... count - 1.
inline std::vector<long> numbers(long count) {
  std::vector<long> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0L);
  return all;
}
inline std::vector<long> squares(long count) {
  auto all = numbers(count);
  for (long& x : all) x *= x;
  return all;
}
