// What every worker needs before its first task is set up once, by the initializer.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

std::string greeting;  // of each worker process

void set_up(std::string word) { greeting = word; }

std::string greet(std::string name) { return greeting + ", " + name + "!"; }

}  // namespace

int app() {
  rankpool::ProcessPoolExecutor executor({.max_workers = 2, .initializer = rankpool::partial(set_up, "Hello")});
  const std::vector<std::string> names{"Ada", "Grace", "Barbara"};
  for (const std::string& text : executor.map(greet, names)) std::cout << text << '\n';
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
