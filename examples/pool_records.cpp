// Structs in, structs out, and a configuration bound to the task for all of them.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <numeric>
#include <string>
#include <vector>

struct Config {
  double tax;
  double discount_from;
};

struct Invoice {
  int items;
  double total;
};

// Plain data such as the above travels as it is. What holds more than that says what it holds, as Boost wants it.
struct Order {
  std::string customer;
  std::vector<double> prices;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    (void)(archive & customer & prices);
  }
};

Invoice bill(const Config& config, const Order& order) {
  const double sum = std::accumulate(order.prices.begin(), order.prices.end(), 0.0);
  const double discount = sum >= config.discount_from ? 0.1 : 0.0;
  return {static_cast<int>(order.prices.size()), sum * (1 - discount) * (1 + config.tax)};
}

int app() {
  const Config config{.tax = 0.25, .discount_from = 100};
  const std::vector<Order> orders{{"Ada", {8, 8}}, {"Grace", {50, 70, 80}}, {"Barbara", {15, 25}}};
  rankpool::Pool pool(2);
  auto order = orders.begin();
  for (const Invoice& invoice : pool.map(rankpool::partial(bill, config), orders)) {
    std::cout << order++->customer << ", " << invoice.items << " items: " << invoice.total << '\n';
  }
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
