#include "client/callbacks.hpp"

#include "futures.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <mutex>
#include <thread>

namespace rankpool::inline v0_2::detail {
namespace {

/// Callbacks in the order in which they ran.
class Calls {
 public:
  std::function<void()> note(int number) {
    return [this, number] {
      const std::lock_guard lock(mutex_);
      numbers_.push_back(number);
    };
  }
  Ints all() {
    client::drain_callbacks();
    const std::lock_guard lock(mutex_);
    return numbers_;
  }

 private:
  std::mutex mutex_;
  Ints numbers_;
};

// CB-01, CB-02, CB-09
TEST(Callbacks, run_once_in_the_order_in_which_they_were_added) {
  Calls calls;
  Pair<int> pair;
  for (int i = 0; i < 5; ++i) pair.state->add_callback(calls.note(i));
  EXPECT_EQ(calls.all(), Ints{});
  pair.state->error(0, encoded_error("x"));
  EXPECT_EQ(calls.all(), (Ints{0, 1, 2, 3, 4}));
  pair.state->value(0, encoded(1));
  EXPECT_EQ(calls.all().size(), 5U);
}

// CB-03, CB-07
TEST(Callbacks, run_in_the_thread_that_cancels_before_cancel_returns) {
  Pair<int> pair;
  std::vector<std::thread::id> threads;
  pair.future.add_done_callback([&](const Future<int>& future) {
    EXPECT_TRUE(future.cancelled());
    threads.push_back(std::this_thread::get_id());
  });
  EXPECT_TRUE(pair.future.cancel());
  pair.future.add_done_callback([&](const Future<int>&) { threads.push_back(std::this_thread::get_id()); });
  EXPECT_EQ(threads, std::vector(2, std::this_thread::get_id()));
}

// CB-05, CB-06, CB-10
TEST(Callbacks, run_at_once_in_this_thread_if_the_future_is_done) {
  Pair<int> pair;
  pair.state->set_value(7);
  int got = 0;
  pair.future.add_done_callback([&](const Future<int>& future) { got = future.result(0s); });
  EXPECT_EQ(got, 7);
}

// CB-04, CB-08, CB-14, CB-15
TEST(Callbacks, that_throw_stop_no_others_and_are_told_on_stderr) {
  Calls calls;
  Pair<int> pair;
  pair.state->add_callback([] { throw 42; });
  pair.state->add_callback([] { throw std::runtime_error("told"); });
  pair.state->add_callback(calls.note(1));
  testing::internal::CaptureStderr();
  pair.state->set_value(7);
  EXPECT_EQ(calls.all(), Ints{1});
  pair.state->add_callback([] { throw std::runtime_error("late"); });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("not a std::exception"), std::string::npos) << said;
  EXPECT_NE(said.find("(finished with a int) threw std::runtime_error: told"), std::string::npos) << said;
  EXPECT_NE(said.find("late"), std::string::npos) << said;
}

// CB-09, CB-11
TEST(Callbacks, one_that_is_added_while_others_run_comes_after_them) {
  Calls calls;
  Pair<int> pair;
  std::promise<void> started;
  std::promise<void> go_on;
  pair.state->add_callback([&] {
    started.set_value();
    go_on.get_future().wait();
  });
  pair.state->add_callback(calls.note(1));
  pair.state->set_value(7);
  started.get_future().wait();
  EXPECT_EQ(pair.future.result(), 7);  // without waiting for callbacks
  pair.state->add_callback(calls.note(2));
  go_on.set_value();
  EXPECT_EQ(calls.all(), (Ints{1, 2}));
}

TEST(Callbacks, the_future_lives_until_they_have_run) {
  Calls calls;
  auto pair = std::make_unique<Pair<Ints>>();
  pair->future.add_done_callback([&](const Future<Ints>& future) { calls.note(future.get_ref().front())(); });
  const Ref<ResultReceiver> engine(pair->state);
  pair.reset();
  engine->value(0, encoded(Ints{5}));
  EXPECT_EQ(calls.all(), Ints{5});
}

TEST(Callbacks, each_runs_once_when_adding_and_ending_race) {
  for (int round = 0; round < 300; ++round) {
    Pair<int> pair;
    std::atomic<int> ran = 0;
    std::latch ready(3);
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        ready.arrive_and_wait();
        for (int n = 0; n < 5; ++n) pair.state->add_callback([&] { ++ran; });
      });
    }
    ready.arrive_and_wait();
    if (round % 2 == 0) {
      pair.state->set_value(1);
    } else {
      EXPECT_TRUE(pair.future.cancel());
    }
    threads.clear();
    client::drain_callbacks();
    EXPECT_EQ(ran, 10);
  }
}

TEST(Callbacks, their_thread_can_be_stopped_and_starts_again) {
  for (int round = 0; round < 3; ++round) {
    Calls calls;
    client::post_callback(calls.note(round));
    client::stop_callbacks();
    EXPECT_EQ(calls.all(), Ints{round});
  }
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
