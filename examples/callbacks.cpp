// A callback is called once its future is done, whether it ended with a value, with an exception, or was cancelled.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <stdexcept>
#include <vector>

double inverse(double x) {
  if (x == 0) throw std::domain_error("0 has no inverse");
  return 1 / x;
}

void report(const rankpool::Future<double>& future) {
  try {
    const double result = future.result();
    std::cout << "the inverse is " << result << '\n';
  } catch (const std::domain_error& e) {
    std::cout << "failed: " << e.what() << '\n';
  }
}

int app() {
  rankpool::ProcessPoolExecutor executor(1);  // one worker: the tasks, and so the callbacks, come in order
  for (double x : {4.0, 0.0, 0.5}) executor.submit(inverse, x).add_done_callback(report);
  executor.shutdown();
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
