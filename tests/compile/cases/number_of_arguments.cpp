// refused: rankpool: the task takes another number of arguments than it was given
#include <rankpool/rankpool.hpp>

int add(int a, int b) { return a + b; }
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  executor.submit(add, 1);
#else
  executor.submit(add, 1, 2);
#endif
}
