#include <rankpool/detail/future_state.hpp>

#include "futures.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <latch>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

// FUT-06, FUT-07, FUT-08, FUT-09
TEST(FutureState, each_state_is_told_by_its_words) {
  Pair<int> pair;
  const auto expect = [&](const std::string& text, bool running, bool cancelled, bool done) {
    EXPECT_EQ(to_string(pair.future), text);
    EXPECT_EQ(pair.future.running(), running);
    EXPECT_EQ(pair.future.cancelled(), cancelled);
    EXPECT_EQ(pair.future.done(), done);
  };
  expect("pending", false, false, false);
  EXPECT_TRUE(pair.state->begin(0, 1));
  expect("running", true, false, false);
  pair.state->value(0, encoded(7));
  expect("finished with a int", false, false, true);
  pair = {};
  EXPECT_TRUE(pair.future.cancel());
  expect("cancelled", false, true, true);
  pair = {};
  pair.state->error(0, encoded_error("x"));
  expect("finished with std::out_of_range", false, false, true);
}

TEST(FutureState, an_empty_future_refuses_everything) {
  const Future<int> empty;
  EXPECT_THROW((void)empty.done(), InvalidStateError);
  EXPECT_THROW((void)empty.result(), InvalidStateError);
  EXPECT_EQ(empty, Future<int>());
}

TEST(FutureState, outcomes_of_every_kind_come_out) {
  Pair<int> fixed;
  fixed.state->values(0, 1, encoded(7));
  EXPECT_EQ(fixed.future.result(), 7);
  Pair<Ints> decoded;
  decoded.state->value(0, encoded(Ints{1, 2}));
  EXPECT_EQ(decoded.future.result(), (Ints{1, 2}));
  EXPECT_FALSE(decoded.future.exception());
  Pair<void> nothing;
  nothing.state->value(0, Bytes());
  EXPECT_NO_THROW(nothing.future.result());
  Pair<int> thrown;
  thrown.state->error(0, encoded_error("x"));
  EXPECT_THROW((void)thrown.future.result(), std::out_of_range);
  EXPECT_TRUE(thrown.future.exception());
  Pair<int> lost;
  lost.state->fail(0, 1, some_failure());
  EXPECT_THROW((void)lost.future.result(), TerminatedWorkerError);
}

TEST(FutureState, a_result_that_cannot_be_decoded_is_a_serialization_error_each_time) {
  Pair<Ints> pair;
  pair.state->value(0, Bytes(3));
  EXPECT_THROW((void)pair.future.result(), SerializationError);
  EXPECT_THROW((void)pair.future.get_ref(), SerializationError);
  EXPECT_EQ(to_string(pair.future), "finished with rankpool::SerializationError");
}

// FUT-22
TEST(FutureState, a_result_is_decoded_once_and_lies_where_it_lay) {
  Pair<Ints> pair;
  pair.state->value(0, encoded(Ints{1}));
  const Ints* const there = &pair.future.get_ref();
  EXPECT_EQ(&pair.future.get_ref(), there);
  EXPECT_EQ(pair.future.exception(), nullptr);
  EXPECT_EQ(&pair.future.get_ref(), there);
}

TEST(FutureState, who_gives_the_last_copy_up_gets_the_value_itself) {
  Pair<Ints> pair;
  pair.state->value(0, encoded(Ints(100, 1)));
  const int* const where = pair.future.get_ref().data();
  Future<Ints> other = pair.future;
  pair.state = {};
  EXPECT_EQ(std::move(pair.future).result(), Ints(100, 1));
  EXPECT_EQ(other.get_ref().data(), where) << "the other copy still has it";
  pair.future = {};
  EXPECT_EQ(std::move(other).result().data(), where);
}

TEST(FutureState, an_exception_is_one_object_however_often_it_is_asked_for) {
  Pair<int> pair;
  pair.state->error(0, encoded_error("x"));
  EXPECT_EQ(pair.future.exception(), pair.future.exception());
}

// FUT-11, FUT-12, FUT-13
TEST(FutureState, a_second_outcome_is_refused_or_ignored) {
  Pair<int> pair;
  pair.state->set_value(1);
  EXPECT_THROW(pair.state->set_value(2), InvalidStateError);
  EXPECT_THROW(pair.state->set_exception(std::make_exception_ptr(std::runtime_error("x"))), InvalidStateError);
  pair.state->value(0, encoded(3));
  pair.state->error(0, encoded_error("x"));
  pair.state->fail(0, 1, some_failure());
  pair.state->cancelled(0, 1);
  EXPECT_FALSE(pair.state->begin(0, 1));
  EXPECT_EQ(pair.future.result(), 1);
}

// FUT-01 .. FUT-05
TEST(FutureState, only_what_is_pending_can_be_cancelled) {
  Pair<int> pending;
  EXPECT_TRUE(pending.future.cancel());
  EXPECT_TRUE(pending.future.cancel());
  EXPECT_FALSE(pending.state->begin(0, 1));
  pending.state->value(0, encoded(7));
  EXPECT_THROW((void)pending.future.result(), CancelledError);
  EXPECT_THROW((void)pending.future.exception(), CancelledError);
  Pair<int> running;
  EXPECT_TRUE(running.state->begin(0, 1));
  EXPECT_FALSE(running.future.cancel());
  running.state->value(0, encoded(7));
  EXPECT_FALSE(running.future.cancel());
  EXPECT_EQ(running.future.result(), 7);
  Pair<int> failed;
  failed.state->error(0, encoded_error("x"));
  EXPECT_FALSE(failed.future.cancel());
}

TEST(FutureState, an_item_that_is_handed_out_again_runs_on) {
  Pair<int> pair;
  EXPECT_TRUE(pair.state->begin(0, 1));
  EXPECT_TRUE(pair.state->begin(0, 1));
  EXPECT_TRUE(pair.future.running());
}

TEST(FutureState, the_engine_may_cancel_what_runs) {
  Pair<int> pair;
  EXPECT_TRUE(pair.state->begin(0, 1));
  pair.state->cancelled(0, 1);
  EXPECT_TRUE(pair.future.cancelled());
}

TEST(FutureState, the_input_is_given_out_in_two_parts_and_kept_until_the_end) {
  Pair<int> pair;
  Bytes input;
  input.append("headitem", 8);
  pair.state->set_input(std::move(input), 4, {});
  for (int again = 0; again < 2; ++again) {
    Gather parts;
    EXPECT_EQ(pair.state->gather(0, 1, parts), 4U);
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_EQ(std::memcmp(parts[0].data(), "head", 4), 0);
    EXPECT_EQ(std::memcmp(parts[1].data(), "item", 4), 0);
  }
}

TEST(FutureState, a_cancelled_task_frees_its_input_and_what_it_keeps_alive_at_once) {
  Pair<int> pair;
  const auto kept = std::make_shared<int>(7);
  Bytes input;
  input.append("headitem", 8);
  pair.state->set_input(std::move(input), 4, {kept});
  EXPECT_EQ(kept.use_count(), 2);
  std::atomic<long> in_callback = 0;
  pair.future.add_done_callback([&](const Future<int>&) { in_callback = kept.use_count(); });
  EXPECT_TRUE(pair.future.cancel());
  EXPECT_EQ(in_callback, 1);
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_FALSE(pair.state->begin(0, 1));  // a worker that comes by gets nothing
}

// FUT-15, FUT-16, FUT-20, FUT-21
TEST(FutureState, a_wait_ends_at_its_timeout_and_changes_nothing) {
  Pair<int> pair;
  for (const Timeout timeout : {Timeout(0s), Timeout(-1s), Timeout(1ms)}) {
    EXPECT_THROW((void)pair.future.result(timeout), TimeoutError);
    EXPECT_THROW((void)pair.future.exception(timeout), TimeoutError);
    EXPECT_FALSE(pair.state->wait(timeout));
  }
  EXPECT_EQ(to_string(pair.future), "pending");
  pair.state->set_value(3);
  EXPECT_EQ(pair.future.result(0s), 3);
}

TEST(FutureState, a_timeout_beyond_the_clock_is_none) {
  Pair<int> pair;
  std::jthread ends([&] { pair.state->set_value(3); });
  EXPECT_EQ(pair.future.result(std::chrono::hours::max()), 3);
  EXPECT_EQ(pair.future.result(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())), 3);
}

// FUT-17, FUT-22
TEST(FutureState, all_threads_that_wait_get_the_value) {
  for (int round = 0; round < 200; ++round) {
    Pair<Ints> pair;
    std::latch waiting(4);
    std::vector<std::jthread> threads;
    std::atomic<int> right = 0;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        waiting.arrive_and_wait();
        right += pair.future.result(i == 0 ? Timeout() : Timeout(kLong)) == Ints{1, 2} ? 1 : 0;
      });
    }
    waiting.arrive_and_wait();
    if (round % 2 == 0) {
      EXPECT_TRUE(pair.state->begin(0, 1));
    }
    pair.state->value(0, encoded(Ints{1, 2}));
    threads.clear();
    EXPECT_EQ(right, 3);
  }
}

// FUT-18
/// Its loading waits until another thread loads one too.
struct Meets {
  static inline std::atomic<int> loading{0};
  bool met = false;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& met;
    if (!Archive::is_loading::value) return;
    loading.fetch_add(1);
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (loading.load() < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    met = loading.load() >= 2;
  }
};

TEST(FutureState, no_lock_is_held_while_a_result_is_decoded) {
  Pair<Meets> pair;
  pair.state->value(0, encoded(Meets{}));
  const Meets* others = nullptr;
  std::thread other([&] { others = &pair.future.get_ref(); });
  const Meets* const own = &pair.future.get_ref();
  other.join();
  EXPECT_TRUE(own->met);
  EXPECT_EQ(own, others);
}

TEST(FutureState, a_thread_that_waits_wakes_when_it_is_cancelled) {
  Pair<int> pair;
  std::latch waiting(2);
  std::jthread waits([&] {
    waiting.arrive_and_wait();
    EXPECT_THROW((void)pair.future.result(kLong), CancelledError);
  });
  waiting.arrive_and_wait();
  EXPECT_TRUE(pair.future.cancel());
}

TEST(FutureState, of_many_ends_at_once_exactly_one_counts) {
  for (int round = 0; round < 200; ++round) {
    Pair<int> pair;
    std::latch ready(4);
    std::atomic<int> winners = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        try {
          pair.state->set_value(i);
          ++winners;
        } catch (const InvalidStateError&) {
        }
      });
    }
    threads.emplace_back([&] {
      ready.arrive_and_wait();
      winners += pair.future.cancel() ? 1 : 0;
    });
    threads.clear();
    EXPECT_EQ(winners, 1);
    EXPECT_TRUE(pair.future.done());
  }
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
