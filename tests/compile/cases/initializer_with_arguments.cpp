// refused: rankpool: an initializer is called without arguments: bind them with rankpool::partial
// INI-06
#include <rankpool/rankpool.hpp>

void set_up(int) {}
rankpool::ExecutorOptions options() {
#ifdef REFUSED
  return {.initializer = set_up};
#else
  return {.initializer = rankpool::partial(set_up, 1)};
#endif
}
