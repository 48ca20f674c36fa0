// refused: rankpool: a pointer means nothing in another process: pass what it points to
// each of 8
#include <rankpool/rankpool.hpp>

struct Row {
  int count = 0;
#if REFUSED == 1
  const double* values = nullptr;
#else
  std::vector<double> values;
#endif
};
struct Table {
  std::string name;
  std::map<std::string, std::vector<Row>> rows;
};
std::size_t rows_of(const Table& table) { return table.rows.size(); }
template <class T>
void send(rankpool::ProcessPoolExecutor& executor) {
  executor.submit([](const T&) { return 1; }, T{});
}
void use(rankpool::ProcessPoolExecutor& executor) {
  executor.submit(rows_of, Table{});
#if REFUSED == 2
  send<std::optional<int*>>(executor);
#elif REFUSED == 3
  send<std::variant<int, const char*>>(executor);
#elif REFUSED == 4
  send<std::array<const char*, 2>>(executor);
#elif REFUSED == 5
  send<std::vector<Row*>>(executor);
#elif REFUSED == 6
  send<std::tm>(executor);  // has the name of its time zone
#elif REFUSED == 7
  send<std::tuple<std::string, std::pair<int, void*>>>(executor);
#elif REFUSED == 8
  executor.map([](const std::pair<int, int*>&) { return 1; }, std::vector<std::pair<int, int*>>{});
#else
  send<std::tuple<std::optional<int>, std::variant<int, std::string>, std::array<std::string, 2>>>(executor);
#endif
}
