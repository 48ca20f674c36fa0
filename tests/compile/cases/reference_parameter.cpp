// refused: rankpool: a task gets copies of its arguments: take each parameter by value or by const&
#include <rankpool/rankpool.hpp>

#ifdef REFUSED
void change(int& x) { ++x; }
#else
int change(const int& x) { return x + 1; }
#endif
void use(rankpool::ProcessPoolExecutor& executor) { executor.submit(change, 1); }
