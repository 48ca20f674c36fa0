// refused: rankpool: a reference means nothing in another process: hold the value itself
// each of 5
#include <rankpool/rankpool.hpp>

#if REFUSED == 1
struct Held {
  int& value;
};
#elif REFUSED == 2
struct Held {
  const std::vector<int>& value;
};
#else
struct Held {
  int value;
};
#endif
Held hold(int x) {
  static int kept = x;
#if REFUSED == 2
  static std::vector<int> all;
  return {all};
#else
  return {kept};
#endif
}
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit(hold, 1);
  int x = 1;
#if REFUSED == 3
  executor.submit([](auto y) { return y + 1; }, std::ref(x));
#elif REFUSED == 4
  executor.submit([](std::tuple<int&, std::string>) { return 1; }, std::tuple<int&, std::string>(x, "x"));
#elif REFUSED == 5
  (void)executor.submit([](int) -> std::reference_wrapper<int> {
    static int kept = 1;
    return std::ref(kept);
  }, 1).result();
#else
  executor.submit([](const int& y) { return y + 1; }, std::ref(x));
#endif
}
