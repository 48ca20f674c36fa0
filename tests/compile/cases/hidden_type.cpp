// refused: since its type hides what it holds
// each of 4
#include <rankpool/rankpool.hpp>

#include <any>
#include <functional>
struct Job {
  int number = 0;
#if REFUSED == 1
  std::function<int()> run;
#elif REFUSED == 2
  std::any run;
#else
  int (*run)() = nullptr;
#endif
};
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const std::vector<Job>& jobs) { return jobs.size(); }, std::vector<Job>{});
#if REFUSED == 3
  executor.submit([](std::any) { return 1; }, std::any(3));
#elif REFUSED == 4
  executor.submit([](const std::function<int()>& f) { return f(); }, [] { return 1; });
#endif
}
