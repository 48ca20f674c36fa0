// refused: could not convert | no viable conversion
// MAP-18
#include <rankpool/rankpool.hpp>

rankpool::MapOptions options() {
#ifdef REFUSED
  return {.buffersize = "4"};
#else
  return {.buffersize = 4};
#endif
}
