// refused: rankpool: the task cannot be called with these arguments
#include <rankpool/rankpool.hpp>

#include <cstdio>
#include <iostream>
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  std::cout << executor.submit(std::printf, "%d\n", 3).result();
#else
  std::cout << executor.submit([](const char* format, int x) { return std::printf(format, x); }, "%d\n", 3).result();
#endif
}
