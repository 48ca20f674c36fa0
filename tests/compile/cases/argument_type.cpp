// refused: rankpool: an argument cannot be converted to the type of the task's parameter
// each of 2
#include <rankpool/rankpool.hpp>

#include <iostream>
int twice(int x) { return 2 * x; }
void use(rankpool::ProcessPoolExecutor& executor) {
#if REFUSED == 1
  std::cout << executor.submit(twice, "text").result();
#elif REFUSED == 2
  for (int n : executor.map(twice, std::vector<std::string>{"a"})) std::cout << n;
#else
  std::cout << executor.submit(twice, 2.0).result();
#endif
}
