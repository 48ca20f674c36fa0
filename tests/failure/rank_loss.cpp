// Kills ranks, and checks what the program that goes on is told. Ends with the status it is given:
//   rank_loss idle|busy|two|all|keeper break|replace STATUS
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

long square_slowly(long x) {
  ::poll(nullptr, 0, 2);
  return x * x;
}

int failed(const std::string& what) {
  std::cout << "FAILED: " << what << '\n';
  return 100;
}

/// The pids to kill: MPI processes of the last ranks, or the keeper of the last.
std::vector<pid_t> victims(const std::string& whom) {
  const auto ranks = rankpool::ranks();
  if (whom == "keeper") return {ranks.back().keeper_pid};
  std::size_t count = 1;
  if (whom == "two") count = 2;
  if (whom == "all") count = ranks.size() - 1;
  std::vector<pid_t> pids;
  for (std::size_t i = 0; i < count; ++i) pids.push_back(ranks[ranks.size() - 1 - i].pid);
  return pids;
}

int app(int argc, char** argv) {
  if (argc != 4) return failed("three arguments are wanted");
  const std::string whom = argv[1];
  const bool replace = std::string(argv[2]) == "replace";
  const std::size_t before = rankpool::ranks().size();
  std::vector<long> items(2000);
  std::iota(items.begin(), items.end(), 0L);
  {
    rankpool::ExecutorOptions options;
    if (replace) {
      options.on_worker_death = rankpool::OnWorkerDeath::replace;
      options.max_retries = 5;
    }
    rankpool::ProcessPoolExecutor executor(options);
    executor.bootup();
    if (whom == "idle") {
      ::kill(victims(whom)[0], SIGKILL);
      ::poll(nullptr, 0, 300);
      if (!replace) {
        try {
          executor.submit(square_slowly, 1).result();
          return failed("the loss of an idle rank was not told");
        } catch (const rankpool::BrokenProcessPool& e) {
          std::cout << e.what() << '\n';
        }
      }
    } else {
      auto results = executor.map({.chunksize = 5}, square_slowly, items);
      results.next();
      const auto begin = Clock::now();
      for (const pid_t pid : victims(whom)) ::kill(pid, SIGKILL);
      try {
        long expected = 1;
        for (long value : results) {
          if (value != expected * expected) return failed("a wrong result");
          ++expected;
        }
        if (!replace) return failed("the loss of a busy rank was not told");
        if (expected != 2000) return failed("results are missing");
      } catch (const rankpool::BrokenProcessPool& e) {
        if (replace) return failed(e.what());
        if (e.causes().empty() || e.causes()[0].rank < 1) return failed("the cause is not told");
        if (Clock::now() - begin > std::chrono::seconds(2)) return failed("it was told late");
        std::cout << e.what() << '\n';
      }
    }
  }
  std::size_t alive = 0;
  for (const auto& rank : rankpool::ranks()) alive += rank.alive ? 1 : 0;
  const std::size_t lost = whom == "two" ? 2 : whom == "all" ? before - 1 : 1;
  if (alive != before - lost) return failed("another number of ranks is alive");
  rankpool::ProcessPoolExecutor again;
  const auto results = again.map(square_slowly, items).to_vector();
  for (long x : items) {
    if (results[static_cast<std::size_t>(x)] != x * x) return failed("a wrong result of the new executor");
  }
  return std::atoi(argv[3]);
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
