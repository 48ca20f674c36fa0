// refused: rankpool: a view or an iterator means nothing in another process, since it does not own what it shows
// each of 7
#include <rankpool/rankpool.hpp>

#include <ranges>
#include <span>
struct Line {
  int number = 0;
#if REFUSED == 1
  std::string_view text;
#else
  std::string text;
#endif
};
std::vector<Line> lines() { return {{1, "one"}}; }
template <class T>
void send(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const T&) { return 1; }, T{});
}
void use(rankpool::ProcessPoolExecutor& executor) {
  (void)executor.submit(lines).result();
#if REFUSED == 2
  send<std::vector<std::string_view>>(executor);
#elif REFUSED == 3
  send<std::initializer_list<int>>(executor);
#elif REFUSED == 4
  send<std::vector<int>::iterator>(executor);
#elif REFUSED == 5
  (void)executor.submit([](std::vector<int> v) { return std::span<int>(v); }, std::vector<int>{}).result();
#elif REFUSED == 6
  send<std::optional<std::span<const int>>>(executor);
#elif REFUSED == 7
  executor.submit([](std::vector<int> v) { return v | std::views::reverse; }, std::vector<int>{});
#else
  executor.submit([](std::string_view text) { return text.substr(1); }, "text");
  executor.submit([](std::span<const int> numbers) { return numbers.size(); }, std::vector{1, 2});
#endif
}
