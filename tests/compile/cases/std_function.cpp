// refused: rankpool: a std::function cannot be sent to another process
#include <rankpool/rankpool.hpp>

int twice(int x) { return 2 * x; }
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  executor.submit(std::function<int(int)>(twice), 1);
#else
  executor.submit(twice, 1);
#endif
}
