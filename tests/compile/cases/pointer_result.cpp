// refused: rankpool: a pointer means nothing in another process: return what it points to
#include <rankpool/rankpool.hpp>

#ifdef REFUSED
int* make(int x) { return new int(x); }
#else
int make(int x) { return x; }
#endif
void use(rankpool::ProcessPoolExecutor& executor) { executor.submit(make, 1); }
