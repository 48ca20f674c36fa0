// The initializer sets up each worker process once; its tasks find what they need in a global.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

using Prices = std::map<std::string, int>;

Prices prices;  // of each worker process; it stays empty in this one

void set_prices(const Prices& list) { prices = list; }

int price_of(const std::string& dish) { return prices.at(dish); }

}  // namespace

int app() {
  const Prices list{{"soup", 5}, {"stew", 12}, {"tea", 2}};
  rankpool::Pool pool({.processes = 2, .initializer = rankpool::partial(set_prices, list)});
  const std::vector<std::string> order{"soup", "tea", "stew", "tea"};
  int total = 0;
  for (int price : pool.map(price_of, order)) total += price;
  std::cout << total << " in all\n";
  std::cout << prices.size() << " prices known here\n";
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
