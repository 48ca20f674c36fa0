// Results as they come: the quickest task first, whatever the order in which they were submitted.
#include <rankpool/rankpool.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

std::string cook(std::string dish, int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return dish + " is ready";
}

int app() {
  rankpool::ProcessPoolExecutor executor(3);
  executor.bootup();  // so that all three begin at once
  const std::vector futures{executor.submit(cook, "the stew", 900), executor.submit(cook, "the tea", 50),
                            executor.submit(cook, "the soup", 450)};
  for (const auto& future : rankpool::as_completed(futures, std::chrono::seconds(30))) {
    std::cout << future.result() << '\n';
  }
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
