#include <rankpool/rankpool.hpp>

#include <iostream>

int twice(int x) { return 2 * x; }

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [] {
    rankpool::ProcessPoolExecutor executor(1);
    std::cout << "with rankpool " << rankpool::version << ": " << executor.submit(twice, 21).result() << std::endl;
  });
}
