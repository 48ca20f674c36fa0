// Threads that wait for results or callbacks do the engine's work meanwhile; whatever ends a wait has to end it then,
// too.
#include "support.hpp"

#include <future>
#include <numeric>
#include <string>

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

/// Submits the next task from the callback of the last.
class Chain {
 public:
  Chain(ProcessPoolExecutor& executor, long length) : executor_(executor), left_(length) {}
  void go_on() {
    executor_.submit(square, left_).add_done_callback([this](const Future<long>& future) {
      sum_ += future.result();
      if (--left_ > 0) return go_on();
      ended_.set_value(sum_);
    });
  }
  long sum() { return ended_.get_future().get(); }

 private:
  ProcessPoolExecutor& executor_;
  long left_;
  long sum_ = 0;
  std::promise<long> ended_;
};

TEST_F(StandingIn, callbacks_that_submit_the_next_task_run_on_while_nobody_waits) {
  Chain chain(executor_, 1000);
  chain.go_on();
  EXPECT_EQ(chain.sum(), 1000L * 1001 * 2001 / 6);
}

TEST_F(StandingIn, callbacks_and_threads_that_wait_for_results_each_get_their_own) {
  Chain first(executor_, 1000);
  Chain second(executor_, 1000);
  first.go_on();
  second.go_on();
  for (long i = 0; i < 1000; ++i) {
    EXPECT_EQ(executor_.submit(square, i).result(), i * i);
    if (i % 100 == 0) std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(first.sum(), 1000L * 1001 * 2001 / 6);
  EXPECT_EQ(second.sum(), 1000L * 1001 * 2001 / 6);
}

TEST_F(StandingIn, a_callback_that_is_awaited_hinders_nobody) {
  std::promise<int> told;
  auto blocked = executor_.submit(pass_gate, gate_.name(), 1);
  blocked.add_done_callback([&](const Future<int>& future) { told.set_value(future.result()); });
  Chain before(executor_, 10);
  before.go_on();
  EXPECT_EQ(before.sum(), 385);  // its thread now waits for the other in the engine's place
  std::chrono::nanoseconds longest{0};
  for (long i = 0; i < 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(executor_.submit(square, i).result(), i * i);
    longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
    if (i % 20 == 0) std::this_thread::sleep_for(5ms);
  }
  EXPECT_LT(longest, kSoon);
  gate_.open();
  EXPECT_EQ(told.get_future().get(), 1);
}

TEST_F(StandingIn, a_callback_that_takes_long_hinders_nobody) {
  std::promise<void> began;
  std::promise<void> go_on;
  std::atomic<int> called = 0;
  const auto first_takes_long = [&](const Future<int>&) {
    if (++called > 1) return;
    began.set_value();
    go_on.get_future().wait();
  };
  auto blocked = blockers();
  for (auto& future : blocked) future.add_done_callback(first_takes_long);
  gate_.open();
  began.get_future().wait();
  EXPECT_EQ(executor_.submit(square, 4).result(kLong), 16);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(blocked[static_cast<std::size_t>(i)].result(kLong), i);
  EXPECT_EQ(called, 1);
  go_on.set_value();
  EXPECT_TRUE(Gate::until([&] { return called == 2; }));
}

TEST_F(StandingIn, a_callback_hears_of_a_worker_that_dies) {
  std::promise<std::string> told;
  auto blocked = executor_.submit(pass_gate, gate_.name(), 1);
  EXPECT_TRUE(gate_.await_marks(1));
  Chain before(executor_, 10);
  before.go_on();
  EXPECT_EQ(before.sum(), 385);
  blocked.add_done_callback([&](Future<int> future) {
    try {
      (void)future.result();
    } catch (const rankpool::BrokenProcessPool& e) {
      told.set_value(e.what());
    }
  });
  for (const pid_t pid : workers_on_this_node()) ::kill(pid, SIGKILL);
  auto text = told.get_future();
  ASSERT_EQ(text.wait_for(kLong), std::future_status::ready);
  EXPECT_NE(text.get().find("SIGKILL"), std::string::npos);
}

TEST_F(StandingIn, a_map_that_is_submitted_by_a_callback_is_read_there) {
  std::promise<long> told;
  executor_.submit(square, 1).add_done_callback([&](const Future<long>&) {
    const auto squares = executor_.map(square, std::vector<long>(500, 3)).to_vector();
    told.set_value(std::accumulate(squares.begin(), squares.end(), 0L));
  });
  EXPECT_EQ(told.get_future().get(), 4500);
}

}  // namespace
