// A task that computes: a chain of dependent multiplications, so that its length is counted and not clocked, and a core
// that is shared with others shows.
#pragma once

#include <cstdint>

namespace bench {

inline long spin(long iterations) {
  auto x = static_cast<std::uint64_t>(iterations);
  for (long i = 0; i < iterations; ++i) {
    x = x * 6364136223846793005U + 1442695040888963407U;
    asm volatile("" : "+r"(x));
  }
  return iterations;
}

}  // namespace bench
