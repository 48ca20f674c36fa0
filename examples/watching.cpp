// Watches a map: its progress on stderr while it runs, and where the time went when it is over.
#include <rankpool/rankpool.hpp>

#include <chrono>
#include <iostream>
#include <numeric>
#include <thread>
#include <vector>

// Stands for a fit of which every tenth takes three times as long.
double fit(int number) {
  std::this_thread::sleep_for(std::chrono::milliseconds(number % 10 == 9 ? 30 : 10));
  return 0.5 * number;
}

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [] {
    rankpool::ProcessPoolExecutor executor(2);
    std::vector<int> numbers(200);
    std::iota(numbers.begin(), numbers.end(), 0);

    double sum = 0;
    for (const double value : executor.map({.progress = "fits"}, fit, numbers)) sum += value;
    std::cout << "the sum is " << sum << "\n";

    const rankpool::Insights insights = executor.insights();
    std::cout << insights.done << " fits done\n";
    std::cerr << insights;  // ten lines
  });
}
