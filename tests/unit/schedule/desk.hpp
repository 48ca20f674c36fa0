#pragma once

#include "schedule/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <vector>

namespace rankpool::schedule::testing {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr PoolId kPool{0};
constexpr LossId kLoss{7};
constexpr Nanoseconds kShortTask{1'000};
constexpr Nanoseconds kLongTask{50'000'000};

inline PoolPolicy workers(int count) {
  PoolPolicy policy;
  policy.max_workers = count;
  return policy;
}
inline PoolPolicy replacing(int count, int retries = 0) {
  PoolPolicy policy;
  policy.max_workers = count;
  policy.replace_lost_workers = true;
  policy.max_retries = retries;
  return policy;
}
inline PoolPolicy wearing(int count, int chunks) {
  PoolPolicy policy;
  policy.max_workers = count;
  policy.max_chunks_per_worker = chunks;
  return policy;
}
inline PoolPolicy limited(int count, Nanoseconds limit) {
  PoolPolicy policy;
  policy.max_workers = count;
  policy.task_timeout = limit;
  return policy;
}

/// Decisions one by one: a scheduler, and what the engine would say to it.
class Desk : public ::testing::Test {
 protected:
  /// Opens the pool on one rank with as many cores, and lets all its workers come up.
  void open(PoolPolicy policy) {
    scheduler.rank_joined(Rank{0}, policy.max_workers);
    start(policy);
  }
  void start(PoolPolicy policy) {
    scheduler.pool_opened(kPool, policy);
    take();
    for (int i = 0; i < policy.max_workers; ++i) scheduler.worker_ready(worker(i));
    ASSERT_THAT(take(), IsEmpty());
  }
  std::vector<Action> take() {
    std::vector<Action> actions;
    scheduler.take_actions(actions);
    return actions;
  }
  template <class A>
  std::vector<A> take_all() {
    std::vector<A> result;
    for (const Action& action : take()) {
      if (const auto* one = std::get_if<A>(&action)) result.push_back(*one);
    }
    return result;
  }
  static WorkerId worker(int number) { return WorkerId{static_cast<std::uint32_t>(number)}; }
  static WorkId work(std::uint64_t number) { return WorkId{number}; }

  void submit(std::uint64_t number, std::uint64_t items = 1, std::uint32_t chunk = 1) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = chunk;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  void submit_open(std::uint64_t number, std::uint64_t items, std::uint32_t chunk = 1) {
    WorkSpec spec;
    spec.items = items;
    spec.chunk = chunk;
    spec.open = true;
    scheduler.work_submitted(kPool, work(number), spec);
  }
  /// A worker is through with a chunk of so many items.
  void finish(int number, std::uint32_t items = 1, Nanoseconds busy = kShortTask) {
    scheduler.items_ended(worker(number), items);
    scheduler.chunk_done(worker(number), busy);
  }
  /// Runs a task, so that the pool knows how long they take.
  void teach(std::uint64_t number, Nanoseconds busy) {
    submit(number);
    const auto chunks = take_all<SendChunk>();
    ASSERT_EQ(chunks.size(), 1U);
    scheduler.items_ended(chunks[0].worker, 1);
    scheduler.chunk_done(chunks[0].worker, busy);
    take();
  }

  Scheduler scheduler;
};

}  // namespace rankpool::schedule::testing
