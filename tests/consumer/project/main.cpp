#include <rankpool/rankpool.hpp>

#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

struct Point {
  int x = 0;
  std::string name;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& x& name;
  }
};

int twice(int x) { return 2 * x; }
std::string name_of(const Point& point) { return "point " + point.name; }
void add_size(rankpool::Value<long> sum, const rankpool::Broadcast<std::vector<int>>& numbers) {
  auto lock = sum.get_lock();
  const std::scoped_lock held(lock);
  sum.set(sum.get() + static_cast<long>(numbers->size()));
}
void fail() { throw std::out_of_range("too far"); }

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [] {
    rankpool::ProcessPoolExecutor executor(2);
    std::cout << "with rankpool " << rankpool::version << ": " << executor.submit(twice, 21).result() << '\n';
    for (const auto& name : executor.map(name_of, std::vector<Point>{{1, "a"}, {2, "b"}})) std::cout << name << '\n';
    rankpool::Value<long> sum(0);
    const auto numbers = rankpool::broadcast(std::vector<int>(10));
    executor.map(rankpool::partial(add_size, sum), std::vector{numbers, numbers}).to_vector();
    std::cout << "sum " << sum.get() << '\n';
    try {
      executor.submit(fail).result();
    } catch (const std::out_of_range& e) {
      std::cout << "out of range: " << e.what() << '\n';
    }
  });
}
