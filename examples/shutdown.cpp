// Shutting down: what was submitted is finished, what has not begun can be cancelled instead, and nothing is taken any
// more.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <vector>

long square(long x) { return x * x; }

int app() {
  rankpool::ProcessPoolExecutor executor(2);
  const auto future = executor.submit(square, 12);
  executor.shutdown({.wait = false});
  std::cout << "still finished: " << future.result() << '\n';
  try {
    executor.submit(square, 13);
  } catch (const rankpool::ShutdownError& e) {
    std::cout << "refused: " << e.what() << '\n';
  }
  executor.shutdown();
  std::cout << executor.num_workers() << " workers\n";
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
