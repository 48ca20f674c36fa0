// refused: rankpool: a Future belongs to the process that submitted the task: pass its result()
#include <rankpool/rankpool.hpp>

int one() { return 1; }
void use(rankpool::ProcessPoolExecutor& executor) {
  auto future = executor.submit(one);
#ifdef REFUSED
  executor.submit([](auto x) { return x; }, future);
#else
  executor.submit([](auto x) { return x; }, future.result());
#endif
}
