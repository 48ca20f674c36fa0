// refused: no matching function | no matching member function
// SUB-03
#include <rankpool/rankpool.hpp>

int one() { return 1; }
void use(rankpool::ProcessPoolExecutor& executor) {
#ifdef REFUSED
  executor.submit();
#else
  executor.submit(one);
#endif
}
