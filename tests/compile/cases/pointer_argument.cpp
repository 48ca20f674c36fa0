// refused: rankpool: a pointer means nothing in another process: pass what it points to
#include <rankpool/rankpool.hpp>

#ifdef REFUSED
int first(const int* values) { return *values; }
void use(rankpool::ProcessPoolExecutor& executor, const int* values) { executor.submit(first, values); }
#else
int first(std::vector<int> values) { return values[0]; }
void use(rankpool::ProcessPoolExecutor& executor, const int* values) {
  executor.submit(first, std::vector<int>(values, values + 1));
}
#endif
