#include "schedule/chunk_policy.hpp"
#include "base/pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <random>
#include <string>

namespace rankpool::schedule {
namespace {

constexpr std::uint32_t kAny = 1U << 16U;

/// Workers with a core each.
Crew crew(std::size_t workers) { return {workers, workers}; }

TEST(ChunkPolicy, the_first_chunks_are_single_items) { EXPECT_EQ(ChunkPolicy().next(1'000'000, crew(2), kAny), 1U); }

TEST(ChunkPolicy, a_chunk_has_eight_times_as_many_items_as_were_measured_at_most) {
  ChunkPolicy policy;
  policy.measured(1, Nanoseconds{5});
  EXPECT_EQ(policy.next(1'000'000, crew(2), kAny), 8U);
  policy.measured(8, Nanoseconds{40});
  EXPECT_EQ(policy.next(1'000'000, crew(2), kAny), 72U);
}

TEST(ChunkPolicy, a_chunk_of_short_items_lasts_50_round_trips_at_most) {
  ChunkPolicy policy;
  policy.measured(10'000, Nanoseconds{10'000 * 50});
  EXPECT_EQ(policy.next(10'000'000, crew(2), kAny), static_cast<std::uint32_t>(50 * pace::kRoundTrip.count() / 50));
}

TEST(ChunkPolicy, a_chunk_of_short_items_lasts_20_round_trips_where_enough_are_left) {
  ChunkPolicy policy;
  policy.measured(100, Nanoseconds{100 * 1'000});
  EXPECT_EQ(policy.next(1'000, crew(2), kAny), static_cast<std::uint32_t>(20 * pace::kRoundTrip.count() / 1'000));
}

TEST(ChunkPolicy, the_last_items_are_shared_by_all_workers) {
  ChunkPolicy policy;
  policy.measured(10'000, Nanoseconds{10'000 * 20'000});
  EXPECT_EQ(policy.next(64, crew(4), kAny), 4U);
  EXPECT_EQ(policy.next(16, crew(4), kAny), 1U);
}

TEST(ChunkPolicy, what_is_over_sooner_than_it_is_shared_out_is_not_shared) {
  ChunkPolicy policy;
  policy.measured(10'000, Nanoseconds{10'000});
  EXPECT_EQ(policy.next(10'000, crew(64), kAny), 10'000U);
}

TEST(ChunkPolicy, workers_that_share_cores_get_chunks_as_if_there_were_a_worker_to_a_core) {
  ChunkPolicy policy;
  policy.measured(10'000, Nanoseconds{10'000 * 100});
  EXPECT_EQ(policy.next(20'000, {64, 2}, kAny), policy.next(20'000, crew(2), kAny));
  EXPECT_GT(policy.next(20'000, {64, 2}, kAny), policy.next(20'000, crew(64), kAny));
}

TEST(ChunkPolicy, what_the_first_items_of_a_worker_take_does_not_count_for_the_rest) {
  ChunkPolicy policy;
  policy.measured(10'000, Nanoseconds{10'000 * 5});
  const auto before = policy.next(1'000'000, crew(2), kAny);
  policy.measured(1, Nanoseconds{15'000});
  EXPECT_EQ(policy.next(1'000'000, crew(2), kAny), before);
}

TEST(ChunkPolicy, long_items_go_out_one_by_one) {
  ChunkPolicy policy;
  policy.measured(4, Nanoseconds{4'000'000});
  EXPECT_EQ(policy.next(1'000'000, crew(2), kAny), 1U);
}

TEST(ChunkPolicy, one_slow_chunk_shortens_the_next_at_once) {
  ChunkPolicy policy;
  policy.measured(1'000, Nanoseconds{1'000'000});
  const auto before = policy.next(100'000, crew(2), kAny);
  policy.measured(100, Nanoseconds{100'000'000});
  EXPECT_LE(policy.next(100'000, crew(2), kAny) * 100, before);
}

TEST(ChunkPolicy, the_limit_and_what_is_left_are_kept) {
  ChunkPolicy policy;
  policy.measured(100'000, Nanoseconds{1});
  EXPECT_EQ(policy.next(100'000'000, crew(2), 17), 17U);
  EXPECT_EQ(policy.next(1, crew(2), kAny), 1U);
  EXPECT_EQ(policy.next(100'000'000, crew(10'000), 0), 1U);
}

// -- whole maps, simulated with the scheduler itself

struct Result {
  double makespan = 0;  ///< ns
  std::size_t chunks = 0;
  std::uint32_t largest = 0;
};

/// Lets workers with a message time of half a round trip each way run the items.
Result simulate(const std::vector<double>& items, int workers, Nanoseconds round_trip) {
  Scheduler scheduler;
  scheduler.rank_joined(Rank{0}, workers);
  const PoolId pool{0};
  PoolPolicy policy;
  policy.max_workers = workers;
  scheduler.pool_opened(pool, policy);
  std::vector<Action> actions;
  scheduler.take_actions(actions);
  for (int i = 0; i < workers; ++i) scheduler.worker_ready(WorkerId{static_cast<std::uint32_t>(i)});
  WorkSpec spec;
  spec.items = items.size();
  scheduler.work_submitted(pool, WorkId{0}, spec);

  struct Done {
    double at;
    std::uint32_t worker;
    std::uint32_t count;
    double busy;
    bool operator>(const Done& other) const { return at > other.at; }
  };
  std::priority_queue<Done, std::vector<Done>, std::greater<>> coming;
  std::vector<double> free_at(static_cast<std::size_t>(workers), 0.0);
  const double way = static_cast<double>(round_trip.count()) / 2;
  Result result;
  double now = 0;
  while (true) {
    actions.clear();
    scheduler.take_actions(actions);
    for (const Action& action : actions) {
      const auto* const chunk = std::get_if<SendChunk>(&action);
      if (chunk == nullptr) continue;
      const auto first = items.begin() + static_cast<std::ptrdiff_t>(chunk->first);
      const double busy = std::accumulate(first, first + chunk->count, 0.0);
      double& free = free_at[raw(chunk->worker)];
      free = std::max(free, now + way) + busy;
      coming.push({free + way, raw(chunk->worker), chunk->count, busy});
      ++result.chunks;
      result.largest = std::max(result.largest, chunk->count);
    }
    if (coming.empty()) return result;
    const Done done = coming.top();
    coming.pop();
    now = result.makespan = done.at;
    scheduler.items_ended(WorkerId{done.worker}, done.count);
    scheduler.chunk_done(WorkerId{done.worker}, Nanoseconds{static_cast<std::int64_t>(done.busy)});
  }
}

double ideal(const std::vector<double>& items, int workers) {
  return std::max(std::accumulate(items.begin(), items.end(), 0.0) / workers,
                  *std::max_element(items.begin(), items.end()));
}

/// 80 % short, 20 % long, with a mean of `mean` ns.
std::vector<double> skewed(std::size_t count, double mean, const std::string& order) {
  std::vector<double> items(count, mean * 0.1);
  std::fill(items.begin() + static_cast<std::ptrdiff_t>(count * 8 / 10), items.end(), mean * 4.6);
  if (order == "reversed") std::reverse(items.begin(), items.end());
  if (order == "random") std::shuffle(items.begin(), items.end(), std::mt19937(7));
  return items;
}

TEST(ChunkPolicy, skewed_maps_end_within_5_percent_of_the_ideal) {
  for (const int workers : {2, 16}) {
    for (const char* const order : {"sorted", "reversed", "random"}) {
      const auto items = skewed(2'000, 1e6, order);
      EXPECT_LE(simulate(items, workers, pace::kRoundTrip).makespan, 1.05 * ideal(items, workers))
          << order << " on " << workers;
    }
  }
}

TEST(ChunkPolicy, skewed_maps_of_short_items_end_within_5_percent_of_the_ideal) {
  for (const int workers : {2, 16}) {
    for (const char* const order : {"sorted", "reversed", "random"}) {
      for (const double mean : {1e3, 1e4, 1e5}) {
        const auto items = skewed(200'000, mean, order);
        EXPECT_LE(simulate(items, workers, pace::kRoundTrip).makespan, 1.05 * ideal(items, workers))
            << order << " on " << workers << ", mean " << mean;
      }
    }
  }
}

TEST(ChunkPolicy, maps_over_costly_messages_end_within_10_percent_of_the_ideal) {
  for (const double item : {1e4, 1e5, 1e6}) {
    const std::vector<double> items(20'000, item);
    EXPECT_LE(simulate(items, 16, Nanoseconds{50'000}).makespan, 1.10 * ideal(items, 16)) << item;
  }
}

TEST(ChunkPolicy, few_long_items_are_never_behind_each_other) {
  const std::vector<double> items(16, 1e9);
  EXPECT_LE(simulate(items, 16, pace::kRoundTrip).makespan, 1.001e9);
}

TEST(ChunkPolicy, a_million_items_that_do_nothing_take_a_few_hundred_chunks) {
  const auto result = simulate(std::vector<double>(1'000'000, 5.0), 2, pace::kRoundTrip);
  EXPECT_LT(result.chunks, 300U);
  EXPECT_GT(result.largest, 10'000U);
}

}  // namespace
}  // namespace rankpool::schedule
