// Very many tasks that do nothing, each for itself, are more than rank 0 keeps up with: prints how many of them ran on
// other nodes, which takes far fewer messages than tasks. Then single ones there, whose results come at once.
#include <rankpool/rankpool.hpp>

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kTasks = 60'000;
constexpr int kSingles = 200;

int rank_of_task(int /*number*/) { return rankpool::this_worker().rank; }

/// Occupies the workers of rank 0's node; elsewhere it is through at once.
bool is_elsewhere(const std::string& host) {
  if (rankpool::this_worker().host != host) return true;
  ::sleep(3);
  return false;
}

int app() {
  const std::vector<rankpool::RankInfo> ranks = rankpool::ranks();
  const auto is_near = [&](const rankpool::RankInfo& rank) { return rank.host == ranks[0].host; };
  // With a time limit tasks are not handed over together.
  rankpool::ProcessPoolExecutor executor({.task_timeout = 60s});
  std::vector<int> numbers(kTasks);
  long elsewhere = 0;
  for (const int rank : executor.map(rankpool::MapOptions{.chunksize = 1}, rank_of_task, numbers)) {
    elsewhere += is_near(ranks[static_cast<std::size_t>(rank)]) ? 0 : 1;
  }

  std::vector<double> took;
  while (took.size() < kSingles) {
    const auto begin = Clock::now();
    const auto future = executor.submit(is_elsewhere, ranks[0].host);
    try {
      if (future.result(1s)) took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    } catch (const rankpool::TimeoutError&) {  // it has found one of rank 0's node
    }
  }
  std::nth_element(took.begin(), took.begin() + kSingles / 2, took.end());
  std::cout << "tasks elsewhere: " << elsewhere << "\nmicroseconds for a single one: " << took[kSingles / 2]
            << std::endl;
  return elsewhere > kTasks / 10 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
