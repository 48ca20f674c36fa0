// Threads that wait for results do the engine's work meanwhile; whatever ends a wait has to end it then, too.
#include "support.hpp"

#include <numeric>

namespace {

long add_to(rankpool::Value<long> sum, long x) {
  sum.fetch_add(x);
  return x;
}

class StandingIn : public Behaviour {
 protected:
  Gate gate_;
  ProcessPoolExecutor executor_{2};
  void SetUp() override {
    executor_.bootup();
    Behaviour::SetUp();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(executor_.submit(square, i).result(), i * i);  // this thread has begun to
  }
  void TearDown() override {
    gate_.open();
    executor_.shutdown();
    Behaviour::TearDown();
  }
  /// Of workers that are all at the gate, so that what is submitted afterwards waits.
  std::vector<Future<int>> blockers() {
    std::vector<Future<int>> blocked;
    for (int i = 0; i < 2; ++i) blocked.push_back(executor_.submit(pass_gate, gate_.name(), i));
    EXPECT_TRUE(gate_.await_marks(2));
    return blocked;
  }
  /// Does it in another thread once this one has been waiting for a while.
  template <class Action>
  static std::jthread later(Action action) {
    return std::jthread([action]() mutable {
      std::this_thread::sleep_for(100ms);
      action();
    });
  }
  /// Far less than what would end a wait that was forgotten.
  static constexpr auto kSoon = 1s;
};

TEST_F(StandingIn, a_future_that_another_thread_cancels_ends_the_wait_for_it) {
  const auto blocked = blockers();
  auto future = executor_.submit(square, 3);
  const auto cancels = later([future]() mutable { EXPECT_TRUE(future.cancel()); });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(future.result(), rankpool::CancelledError);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kSoon);
}

TEST_F(StandingIn, so_does_a_future_of_many_that_another_thread_cancels) {
  const auto blocked = blockers();
  auto future = executor_.submit(square, 3);
  const auto cancels = later([future]() mutable { EXPECT_TRUE(future.cancel()); });
  const auto begin = std::chrono::steady_clock::now();
  const auto [done, not_done] =
      rankpool::wait(std::vector{future}, {.timeout = kLong, .return_when = rankpool::ReturnWhen::FIRST_COMPLETED});
  EXPECT_EQ(done.size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kSoon);
}

TEST_F(StandingIn, a_timeout_comes_in_time) {
  const auto blocked = blockers();
  for (const auto timeout : {0ms, 1ms, 50ms}) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THROW((void)blocked[0].result(timeout), rankpool::TimeoutError);
    const auto took = std::chrono::steady_clock::now() - begin;
    EXPECT_GE(took, timeout);
    EXPECT_LT(took, timeout + kSoon);
  }
}

TEST_F(StandingIn, what_other_threads_submit_meanwhile_is_done_at_once) {
  auto blocked = executor_.submit(pass_gate, gate_.name(), 1);
  std::chrono::nanoseconds longest{0};
  const auto submits = later([&] {
    for (long i = 0; i < 200; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_EQ(executor_.submit(square, i).result(), i * i);
      longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
      if (i % 20 == 0) std::this_thread::sleep_for(5ms);  // who stands in falls asleep
    }
    const auto squares = executor_.map(square, std::vector<long>(1000, 7)).to_vector();
    EXPECT_EQ(std::accumulate(squares.begin(), squares.end(), 0L), 49000);
    gate_.open();
  });
  EXPECT_EQ(blocked.result(), 1);
  EXPECT_LT(longest, kSoon);
}

TEST_F(StandingIn, many_threads_each_get_their_own_results) {
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (long number = 0; number < 6; ++number) {
    threads.emplace_back([&, number] {
      for (long i = 0; i < 300; ++i) {
        const long x = 1000 * number + i;
        if (i % 3 == 0) {
          if (executor_.submit(square, x).result() != x * x) ++wrong;
        } else if (i % 3 == 1) {
          if (executor_.map(square, std::vector<long>{x, x + 1}).to_vector() != std::vector{x * x, (x + 1) * (x + 1)}) {
            ++wrong;
          }
        } else {
          for (const auto& future : rankpool::as_completed(std::vector{executor_.submit(square, x)})) {
            if (future.result() != x * x) ++wrong;
          }
        }
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(StandingIn, a_worker_that_dies_ends_the_wait) {
  auto blocked = executor_.submit(pass_gate, gate_.name(), 1);
  EXPECT_TRUE(gate_.await_marks(1));
  const auto victims = workers_on_this_node();
  const auto kills = later([&] {
    for (const pid_t pid : victims) ::kill(pid, SIGKILL);
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(blocked.result(), rankpool::BrokenProcessPool);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kLong);
}

TEST_F(StandingIn, callbacks_and_values_are_served_while_it_waits) {
  rankpool::Value<long> sum(0);
  std::atomic<int> called{0};
  auto blocked = executor_.submit(pass_gate, gate_.name(), 1);
  const auto submits = later([&] {
    std::vector<Future<long>> futures;
    for (long i = 1; i <= 50; ++i) {
      futures.push_back(executor_.submit(add_to, sum, i));
      futures.back().add_done_callback([&](const Future<long>&) { ++called; });
    }
    EXPECT_TRUE(Gate::until([&] { return called == 50; }));
    gate_.open();
  });
  EXPECT_EQ(blocked.result(), 1);
  EXPECT_EQ(sum.get(), 50 * 51 / 2);
}

}  // namespace
