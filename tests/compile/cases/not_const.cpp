// refused: rankpool: a task is called as a const object
#include <rankpool/rankpool.hpp>

#include <iostream>

struct Counter {
  int n = 1;
#ifdef REFUSED
  int operator()(int x) { return n += x; }
#else
  int operator()(int x) const { return n + x; }
#endif
};
void use(rankpool::ProcessPoolExecutor& executor) {
  std::cout << executor.submit(Counter{}, 1).result();
  // A lambda without captures is a function.
  std::cout << executor.submit([](int x) mutable { return ++x; }, 1).result();
}
