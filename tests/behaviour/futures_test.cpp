#include "support.hpp"

#include <sstream>

namespace {

class Futures : public Behaviour {};
class Callbacks : public Behaviour {};

TEST_F(Futures, a_pending_one_is_cancelled_and_never_runs) {  // FUT-01, FUT-03, FUT-06, FUT-07
  Gate gate;
  Gate other;
  ProcessPoolExecutor executor(1);
  const auto running = executor.submit(pass_gate, gate.name(), 1);
  ASSERT_TRUE(gate.await_marks(1));
  std::vector<Future<int>> queued;
  for (int i = 0; i < 8; ++i) queued.push_back(executor.submit(pass_gate, other.name(), i));
  auto last = queued.back();
  EXPECT_FALSE(last.running());
  EXPECT_FALSE(last.done());
  EXPECT_TRUE(last.cancel());
  EXPECT_TRUE(last.cancel());
  EXPECT_TRUE(last.cancelled());
  EXPECT_TRUE(last.done());
  EXPECT_FALSE(last.running());
  other.open();
  gate.open();
  executor.shutdown();
  EXPECT_EQ(other.marks(), 7U);
  EXPECT_TRUE(last.cancelled());
}

TEST_F(Futures, a_running_or_ended_one_is_not_cancelled) {  // FUT-02, FUT-04, FUT-05, FUT-08
  Gate gate;
  ProcessPoolExecutor executor(1);
  auto future = executor.submit(pass_gate, gate.name(), 5);
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_TRUE(future.running());
  EXPECT_FALSE(future.cancel());
  EXPECT_TRUE(future.running());
  gate.open();
  EXPECT_EQ(future.result(), 5);
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(future.result(), 5);
  EXPECT_FALSE(future.running());
  auto failed = executor.submit(fail_with, 3);
  EXPECT_EQ(thrown<std::runtime_error>([&] { failed.result(); }), "3");
  EXPECT_FALSE(failed.cancel());
  EXPECT_TRUE(failed.exception());
}

TEST_F(Futures, result_and_exception_respect_the_timeout) {  // FUT-15, FUT-16, FUT-20, FUT-21
  Gate gate;
  ProcessPoolExecutor executor(1);
  auto running = executor.submit(pass_gate, gate.name(), 1);
  std::vector<Future<int>> queued;
  for (int i = 0; i < 4; ++i) queued.push_back(executor.submit(pass_gate, gate.name(), 1));
  for (const auto timeout : {0ms, 30ms, -5ms}) {
    EXPECT_THROW(running.result(timeout), rankpool::TimeoutError);
    EXPECT_THROW((void)running.exception(timeout), rankpool::TimeoutError);
    EXPECT_THROW(queued.back().result(timeout), rankpool::TimeoutError);
  }
  EXPECT_FALSE(running.cancelled());
  ASSERT_TRUE(queued.back().cancel());
  EXPECT_THROW(queued.back().result(0s), rankpool::CancelledError);
  EXPECT_THROW((void)queued.back().exception(0s), rankpool::CancelledError);
  gate.open();
  EXPECT_EQ(running.result(kLong), 1);
  EXPECT_EQ(running.result(0s), 1);
  EXPECT_EQ(running.exception(0s), nullptr);
  EXPECT_EQ(running.result(std::chrono::hours::max()), 1);
}

TEST_F(Futures, a_waiter_is_woken_by_the_end_whatever_it_is) {  // FUT-17, FUT-18, FUT-19
  Gate gate;
  ProcessPoolExecutor executor(1);
  auto first = executor.submit(pass_gate, gate.name(), 7);
  std::vector<Future<int>> queued;
  for (int i = 0; i < 4; ++i) queued.push_back(executor.submit(fail_with, 9));
  auto to_cancel = queued.back();
  std::thread value([&] { EXPECT_EQ(first.result(kLong), 7); });
  std::thread error([&] { EXPECT_TRUE(queued.front().exception(kLong)); });
  std::thread cancelled([&] { EXPECT_THROW(to_cancel.result(kLong), rankpool::CancelledError); });
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_TRUE(to_cancel.cancel());
  gate.open();
  value.join();
  error.join();
  cancelled.join();
}

TEST_F(Futures, results_may_be_asked_for_often_and_by_many) {  // FUT-14, FUT-22, FUT-24
  ProcessPoolExecutor executor(2);
  const auto text = executor.submit([](std::string s) { return s + s; }, "ab");
  const auto error = executor.submit([](int) -> int { throw std::runtime_error(""); }, 1);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(text.result(), "abab");
        ASSERT_EQ(&text.get_ref(), &text.get_ref());
        ASSERT_THROW(error.result(), std::runtime_error);
        ASSERT_TRUE(error.exception());
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(Futures, an_empty_one_says_so) {
  Future<int> empty;
  EXPECT_THROW(empty.result(), rankpool::InvalidStateError);
  EXPECT_THROW((void)empty.done(), rankpool::InvalidStateError);
  EXPECT_EQ(empty, Future<int>());
}

TEST_F(Futures, copies_are_one_future) {
  ProcessPoolExecutor executor(1);
  const auto a = executor.submit(square, 3);
  const auto b = a;
  const auto c = executor.submit(square, 3);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(b.result(), 9);
}

TEST_F(Futures, a_description_names_the_state) {  // FUT-09
  Gate gate;
  ProcessPoolExecutor executor(1);
  const auto running = executor.submit(pass_gate, gate.name(), 1);
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_EQ(to_string(running), "running");
  std::vector<Future<int>> queued;
  for (int i = 0; i < 4; ++i) queued.push_back(executor.submit(fail_with, 1));
  EXPECT_EQ(to_string(queued.back()), "pending");
  queued.back().cancel();
  EXPECT_EQ(to_string(queued.back()), "cancelled");
  gate.open();
  executor.shutdown();
  EXPECT_EQ(to_string(running), "finished with a int");
  EXPECT_EQ(to_string(queued.front()), "finished with std::runtime_error");
  std::ostringstream text;
  text << running;
  EXPECT_EQ(text.str(), "Future: finished with a int");
}

TEST_F(Futures, many_queued_ones_can_be_cancelled) {  // FUT-23
  Gate gate;
  ProcessPoolExecutor executor(2);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  std::size_t cancelled = 0;
  for (auto& future : futures) cancelled += future.cancel() ? 1 : 0;
  EXPECT_GE(cancelled, 194U);  // at most one running and two ahead for each of two workers
  gate.open();
}

TEST_F(Callbacks, one_is_called_once_with_the_future_however_it_ends) {  // CB-01, CB-02, CB-03
  Gate gate;
  std::atomic<int> value{0};
  std::atomic<int> error{0};
  std::atomic<int> cancelled{0};
  {
    ProcessPoolExecutor executor(1);
    auto first = executor.submit(pass_gate, gate.name(), 7);
    first.add_done_callback([&](const Future<int>& f) { value += f.result(0s); });
    executor.submit(fail_with, 1).add_done_callback([&](const Future<int>& f) { error += f.exception(0s) ? 1 : 0; });
    std::vector<Future<int>> queued;
    for (int i = 0; i < 4; ++i) queued.push_back(executor.submit(fail_with, 1));
    queued.back().add_done_callback([&](const Future<int>& f) { cancelled += f.cancelled() ? 1 : 0; });
    EXPECT_TRUE(queued.back().cancel());
    EXPECT_EQ(cancelled, 1);  // before cancel() returned
    EXPECT_EQ(value, 0);
    gate.open();
  }
  EXPECT_EQ(value, 7);
  EXPECT_EQ(error, 1);
  EXPECT_EQ(cancelled, 1);
}

TEST_F(Callbacks, what_one_throws_hurts_nobody) {  // CB-04, CB-08, CB-14, CB-15
  ::testing::internal::CaptureStderr();
  std::atomic<int> later{0};
  {
    ProcessPoolExecutor executor(1);
    Gate gate;
    auto future = executor.submit(pass_gate, gate.name(), 1);
    future.add_done_callback([](const Future<int>&) { throw std::runtime_error("first trouble"); });
    future.add_done_callback([](const Future<int>&) { throw 42; });
    future.add_done_callback([&](const Future<int>&) { ++later; });
    gate.open();
    future.result();
    EXPECT_EQ(executor.submit(square, 2).result(), 4);
    EXPECT_TRUE(Gate::until([&] { return later == 1; }));
    EXPECT_NO_THROW(future.add_done_callback([](const Future<int>&) { throw std::logic_error("late trouble"); }));
    EXPECT_EQ(executor.submit(square, 3).result(), 9);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, ::testing::HasSubstr("first trouble"));
  EXPECT_THAT(said, ::testing::HasSubstr("not a std::exception"));
  EXPECT_THAT(said, ::testing::HasSubstr("late trouble"));
}

TEST_F(Callbacks, a_late_one_runs_at_once_in_the_adding_thread) {  // CB-05, CB-06, CB-07, CB-10
  ProcessPoolExecutor executor(1);
  const auto value = executor.submit(square, 2);
  const auto error = executor.submit(fail_with, 2);
  value.result();
  (void)error.exception();
  int calls = 0;
  const auto here = std::this_thread::get_id();
  value.add_done_callback([&](const Future<long>&) { calls += std::this_thread::get_id() == here ? 1 : 100; });
  error.add_done_callback([&](const Future<int>&) { calls += std::this_thread::get_id() == here ? 1 : 100; });
  EXPECT_EQ(calls, 2);
}

TEST_F(Callbacks, they_run_in_the_order_in_which_they_were_added) {  // CB-09
  for (int round = 0; round < 20; ++round) {
    std::vector<int> order;
    ProcessPoolExecutor executor(1);
    Gate gate;
    auto future = executor.submit(pass_gate, gate.name(), 1);
    for (int i = 0; i < 5; ++i) future.add_done_callback([&order, i](const Future<int>&) { order.push_back(i); });
    gate.open();
    future.result();
    future.add_done_callback([&order](const Future<int>&) { order.push_back(5); });
    executor.shutdown();
    EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  }
}

TEST_F(Callbacks, a_slow_one_does_not_hold_up_who_waits) {  // CB-11
  ProcessPoolExecutor executor(1);
  Gate gate;
  auto future = executor.submit(pass_gate, gate.name(), 1);
  std::atomic<bool> ended{false};
  std::atomic<bool> release{false};
  future.add_done_callback([&](const Future<int>&) {
    Gate::until([&] { return release.load(); });
    ended = true;
  });
  gate.open();
  EXPECT_EQ(future.result(), 1);
  EXPECT_FALSE(ended);
  release = true;
  executor.shutdown();
  EXPECT_TRUE(ended);
}

TEST_F(Callbacks, they_may_submit_and_chain) {  // CB-12
  ProcessPoolExecutor executor(2);
  struct Chain {
    std::vector<long> seen;
    std::atomic<int> left{0};
  };
  std::array<Chain, 3> chains;
  const std::array<int, 3> lengths{100, 50, 60};
  std::function<void(std::size_t, long)> step = [&](std::size_t which, long number) {
    executor.submit(square, number).add_done_callback([&, which, number](const Future<long>& f) {
      chains[which].seen.push_back(f.result());
      if (--chains[which].left > 0) step(which, number + 1);
    });
  };
  for (std::size_t i = 0; i < chains.size(); ++i) {
    chains[i].left = lengths[i];
    step(i, 0);
  }
  ASSERT_TRUE(Gate::until([&] { return chains[0].left == 0 && chains[1].left == 0 && chains[2].left == 0; }));
  for (std::size_t i = 0; i < chains.size(); ++i) {
    ASSERT_EQ(chains[i].seen.size(), static_cast<std::size_t>(lengths[i]));
    for (long n = 0; n < lengths[i]; ++n) EXPECT_EQ(chains[i].seen[static_cast<std::size_t>(n)], n * n);
  }
}

TEST_F(Callbacks, one_may_shut_the_executor_down) {
  ProcessPoolExecutor executor(1);
  std::atomic<bool> returned{false};
  executor.submit(square, 2).add_done_callback([&](const Future<long>&) {
    executor.shutdown();
    returned = true;
  });
  EXPECT_TRUE(Gate::until([&] { return returned.load(); }));
}

TEST_F(Callbacks, those_of_futures_that_a_shutdown_cancels_run_once) {  // CB-16
  Gate gate;
  std::atomic<int> calls{0};
  std::atomic<int> cancelled{0};
  ProcessPoolExecutor executor(1);
  executor.submit(pass_gate, gate.name(), 0);
  ASSERT_TRUE(gate.await_marks(1));
  for (int i = 0; i < 20; ++i) {
    executor.submit(pass_gate, gate.name(), i).add_done_callback([&](const Future<int>& f) {
      ++calls;
      cancelled += f.cancelled() ? 1 : 0;
    });
  }
  executor.shutdown({.wait = false, .cancel_futures = true});
  gate.open();
  executor.shutdown();
  EXPECT_EQ(calls, 20);
  EXPECT_GE(cancelled, 18);
}

}  // namespace
