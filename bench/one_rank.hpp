// Holds every worker but those of one rank, so that what is submitted one at a time runs there.
#pragma once

#include <rankpool/rankpool.hpp>

#include <unistd.h>

#include <chrono>
#include <thread>
#include <vector>

namespace bench {

/// On another rank: never returns. It lasts, so that each worker gets one of these.
inline void hold_unless_on(int rank) {
  while (rankpool::this_worker().rank != rank) ::pause();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

/// An executor that held workers do not keep from ending.
struct OneRankExecutor : rankpool::ProcessPoolExecutor {
  /// With one worker for each rank up to `rank`; the last is used.
  explicit OneRankExecutor(int rank) : rankpool::ProcessPoolExecutor(rank + 1) {
    bootup();
    std::vector<rankpool::Future<void>> holders;
    for (int i = 0; i <= rank; ++i) holders.push_back(submit(hold_unless_on, rank));
    rankpool::wait(holders, {.timeout = {}, .return_when = rankpool::ReturnWhen::FIRST_COMPLETED});
  }
  OneRankExecutor(const OneRankExecutor&) = delete;
  OneRankExecutor& operator=(const OneRankExecutor&) = delete;
  ~OneRankExecutor() { kill_workers(); }
};

}  // namespace bench
