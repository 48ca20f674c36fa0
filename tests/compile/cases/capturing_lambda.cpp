// refused: rankpool: a lambda with captures cannot be sent to another process: pass what it captures as arguments, with
// rankpool::partial
#include <rankpool/rankpool.hpp>

void use(rankpool::ProcessPoolExecutor& executor, int factor) {
#ifdef REFUSED
  executor.submit([factor](int x) { return factor * x; }, 1);
#else
  executor.submit(rankpool::partial([](int f, int x) { return f * x; }, factor), 1);
#endif
}
