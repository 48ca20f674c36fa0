#include "behaviour/support.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>

namespace {

using rankpool::Lock;
using rankpool::OnWorkerDeath;
using rankpool::partial;
using rankpool::Pool;
using rankpool::Queue;
using rankpool::Value;

struct Shared : Behaviour {};

void count_locked(Value<long> counter, long times) {
  Lock lock = counter.get_lock();
  for (long i = 0; i < times; ++i) {
    const std::scoped_lock held(lock);
    counter.set(counter.get() + 1);
  }
}
void count_atomically(Value<long> counter, long times) {
  for (long i = 0; i < times; ++i) counter.fetch_add(1);
}
void count_by_exchange(Value<long> counter, long times) {
  for (long i = 0; i < times; ++i) {
    for (long seen = 0; !counter.compare_exchange(seen, seen + 1);) {
    }
  }
}
template <class Count>
long counted_by_four(Count count, long times) {
  ProcessPoolExecutor executor(4);
  Value<long> counter(0);
  std::vector<Future<void>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(executor.submit(count, counter, times));
  for (const auto& future : futures) future.result();
  return counter.get();
}

TEST_F(Shared, four_workers_that_count_under_a_lock_lose_no_increment) {
  EXPECT_EQ(counted_by_four(count_locked, 10'000), 40'000);
}
TEST_F(Shared, four_workers_that_add_lose_no_increment) { EXPECT_EQ(counted_by_four(count_atomically, 2'000), 8'000); }
TEST_F(Shared, four_workers_that_exchange_lose_no_increment) {
  EXPECT_EQ(counted_by_four(count_by_exchange, 500), 2'000);
}

struct Point {
  double x = 0;
  int y = 0;
};

TEST_F(Shared, a_value_holds_any_trivially_copyable_type_and_adds_what_are_numbers) {
  Value<Point> point(Point{1.5, 2});
  EXPECT_EQ(point.get().x, 1.5);
  point.set({2.5, 3});
  EXPECT_EQ(point.get().y, 3);
  Value<double> real(0.5);
  EXPECT_EQ(real.fetch_add(0.25), 0.5);
  EXPECT_EQ(real.get(), 0.75);
  Value<std::uint8_t> small(255);
  EXPECT_EQ(small.fetch_add(2), 255);
  EXPECT_EQ(small.get(), 1);
  Value<int> number(7);
  int expected = 8;
  EXPECT_FALSE(number.compare_exchange(expected, 9));
  EXPECT_EQ(expected, 7);
  EXPECT_TRUE(number.compare_exchange(expected, 9));
  EXPECT_EQ(number.get(), 9);
  Value<std::array<char, 100'000>> large({'x'});
  EXPECT_EQ(large.get()[0], 'x');
}

std::array<char, 100'000> fill(Value<std::array<char, 100'000>> large) {
  Lock lock = large.get_lock();
  const std::scoped_lock held(lock);
  auto content = large.get();
  content.fill('y');
  large.set(content);
  return large.get();
}

TEST_F(Shared, a_value_larger_than_the_side_channel_goes_through_it) {
  Value<std::array<char, 100'000>> large({'x'});
  ProcessPoolExecutor executor(4);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(executor.submit(fill, large).result().back(), 'y');
  EXPECT_EQ(large.get().back(), 'y');
}

int add_rank(Value<int> ranks, int) {
  const int rank = rankpool::this_worker().rank;
  ranks.fetch_add(1 << (8 * rank));
  return rank;
}

TEST_F(Shared, workers_of_all_ranks_and_rank_0_use_one_value) {
  Value<int> ranks(0);
  ProcessPoolExecutor executor(static_cast<int>(rankpool::ranks().size()));
  std::map<int, int> expected;
  for (int rank : executor.map({.chunksize = 1}, partial(add_rank, ranks), std::vector<int>(40))) ++expected[rank];
  for (std::size_t rank = 0; rank < rankpool::ranks().size(); ++rank) {
    EXPECT_EQ((ranks.get() >> (8 * rank)) & 255, expected[static_cast<int>(rank)]);
  }
}

void set_and_print(Value<int> value, int to) { value.set(to); }

TEST_F(Shared, what_a_task_has_set_is_there_when_its_result_is) {
  ProcessPoolExecutor executor(2);
  Value<int> value(0);
  for (int i = 1; i <= 200; ++i) {
    executor.submit(set_and_print, value, i).result();
    ASSERT_EQ(value.get(), i);
  }
}

void set_locked(Value<int> value, int to) {
  Lock lock = value.get_lock();
  const std::scoped_lock held(lock);
  value.set(to);
}

TEST_F(Shared, what_a_task_has_set_under_the_lock_is_there_when_its_result_is_and_the_lock_is_free) {
  ProcessPoolExecutor executor(2);
  Value<int> value(0);
  Lock lock = value.get_lock();
  for (int i = 1; i <= 200; ++i) {
    executor.submit(set_locked, value, i).result();
    ASSERT_EQ(value.get(), i);
    ASSERT_TRUE(lock.try_lock());
    lock.unlock();
  }
}

int hold(Lock lock, std::string gate) {
  lock.lock();
  leave_mark(gate);
  await_open(gate);
  lock.unlock();
  return 1;
}

TEST_F(Shared, a_lock_that_a_worker_holds_is_not_free_elsewhere_until_it_unlocks) {
  const Gate gate;
  ProcessPoolExecutor executor(2);
  Lock lock;
  auto held = executor.submit(hold, lock, gate.name());
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock_for(20ms));
  gate.open();
  EXPECT_EQ(held.result(kLong), 1);
  EXPECT_TRUE(lock.try_lock_for(kLong));
  lock.unlock();
}

bool try_for(Lock lock, int milliseconds) {
  const bool taken = lock.try_lock_for(std::chrono::milliseconds(milliseconds));
  if (taken) lock.unlock();
  return taken;
}

TEST_F(Shared, a_worker_that_waits_for_a_lock_with_a_limit_gives_up_when_it_has_passed) {
  ProcessPoolExecutor executor(2);
  Lock lock;
  {
    const std::scoped_lock held(lock);
    EXPECT_FALSE(executor.submit(try_for, lock, 0).result(kLong));
    EXPECT_FALSE(executor.submit(try_for, lock, 30).result(kLong));
  }
  EXPECT_TRUE(executor.submit(try_for, lock, 20'000).result(kLong));
}

int take_and_die(Lock lock, std::string gate) {
  lock.lock();
  leave_mark(gate);
  await_open(gate);
  ::raise(SIGKILL);
  return 0;
}

TEST_F(Shared, a_lock_whose_holder_dies_goes_to_who_waits_for_it) {
  const Gate gate;
  ProcessPoolExecutor executor({.max_workers = 2, .on_worker_death = OnWorkerDeath::replace});
  Lock lock;
  auto dying = executor.submit(take_and_die, lock, gate.name());
  ASSERT_TRUE(gate.await_marks(1));
  auto waiting = executor.submit(try_for, lock, 20'000);
  gate.open();
  EXPECT_TRUE(lock.try_lock_for(kLong));
  lock.unlock();
  EXPECT_TRUE(waiting.result(kLong));
  thrown<rankpool::TerminatedWorkerError>([&] { dying.result(kLong); });
}

int set_and_die(Value<int> value) {
  Lock lock = value.get_lock();
  lock.lock();
  value.set(1);
  lock.unlock();
  lock.lock();
  value.set(2);
  ::raise(SIGKILL);
  return 0;
}

TEST_F(Shared, what_a_holder_that_dies_had_not_unlocked_is_as_if_it_had_not_been) {
  ProcessPoolExecutor executor({.max_workers = 1, .on_worker_death = OnWorkerDeath::replace});
  Value<int> value(0);
  thrown<rankpool::TerminatedWorkerError>([&] { executor.submit(set_and_die, value).result(kLong); });
  EXPECT_EQ(value.get(), 1);
}

int count_and_die(Value<int> value) {
  Lock lock = value.get_lock();
  for (int i = 0; i < 1000; ++i) {
    const std::scoped_lock held(lock);
    value.set(value.get() + 1);
  }
  ::raise(SIGKILL);
  return 0;
}

TEST_F(Shared, what_a_worker_had_counted_under_a_lock_is_there_when_it_dies) {
  ProcessPoolExecutor executor({.max_workers = 2, .on_worker_death = OnWorkerDeath::replace});
  Value<int> value(0);
  thrown<rankpool::TerminatedWorkerError>([&] { executor.submit(count_and_die, value).result(kLong); });
  EXPECT_EQ(value.get(), 1000);
  EXPECT_TRUE(value.get_lock().try_lock_for(kLong));
}

int count_and_stay(Value<int> value, std::string gate) {
  Lock lock = value.get_lock();
  for (int i = 0; i < 1000; ++i) {
    const std::scoped_lock held(lock);
    value.set(value.get() + 1);
  }
  leave_mark(gate);
  await_open(gate);
  const std::scoped_lock held(lock);
  return value.get();
}

TEST_F(Shared, a_lock_that_a_task_has_used_and_does_not_hold_is_free_while_the_task_goes_on) {
  const Gate gate;
  ProcessPoolExecutor executor(2);
  Value<int> value(0);
  auto staying = executor.submit(count_and_stay, value, gate.name());
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_EQ(value.get(), 1000);
  {
    Lock lock = value.get_lock();
    ASSERT_TRUE(lock.try_lock_for(kLong));
    value.set(2000);
    lock.unlock();
  }
  gate.open();
  EXPECT_EQ(staying.result(kLong), 2000);
}

int count_many(std::vector<Value<int>> values, int times) {
  for (int i = 0; i < times; ++i) {
    for (auto& value : values) {
      Lock lock = value.get_lock();
      const std::scoped_lock held(lock);
      value.set(value.get() + 1);
    }
  }
  return times;
}

TEST_F(Shared, workers_that_use_many_locks_in_turn_lose_no_increment) {
  ProcessPoolExecutor executor(3);
  std::vector<Value<int>> values;
  for (int i = 0; i < 9; ++i) values.emplace_back(0);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(executor.submit(count_many, values, 200));
  for (const auto& future : futures) EXPECT_EQ(future.result(kLong), 200);
  for (const auto& value : values) EXPECT_EQ(value.get(), 600);
}

int wait_for(Lock lock, std::string gate) {
  leave_mark(gate);
  lock.lock();
  return 1;
}

TEST_F(Shared, workers_that_wait_for_a_lock_do_not_hold_up_the_end_of_their_pool) {
  const Gate gate;
  Lock lock;
  const std::scoped_lock held(lock);
  Pool pool(2);
  auto first = pool.apply_async(wait_for, std::tuple(lock, gate.name()));
  auto second = pool.apply_async(wait_for, std::tuple(lock, gate.name()));
  ASSERT_TRUE(gate.await_marks(2));
  const auto begin = std::chrono::steady_clock::now();
  pool.terminate();
  pool.join();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  thrown<rankpool::BrokenProcessPool>([&] { first.get(kLong); });
}

int tell_and_wait(Lock lock, int item) {
  if (item == 1) lock.lock();
  return item;
}

TEST_F(Shared, a_result_comes_home_while_the_next_item_of_its_chunk_waits_for_a_lock) {
  Lock lock;
  lock.lock();
  ProcessPoolExecutor executor(1);
  auto results = executor.map({.chunksize = 2}, partial(tell_and_wait, lock), std::vector{0, 1});
  EXPECT_EQ(results.next(kLong), 0);
  lock.unlock();
  EXPECT_EQ(results.next(kLong), 1);
}

int take_turns(Lock lock, Value<int> last, int turns) {
  int own = 0;
  while (true) {
    const std::scoped_lock held(lock);
    if (last.fetch_add(1) >= turns) return own;
    ++own;
  }
}

TEST_F(Shared, no_worker_is_starved_of_a_lock_that_others_take_again_and_again) {
  const int turns = 30'000;
  ProcessPoolExecutor executor(4);
  executor.bootup();
  Lock lock;
  Value<int> last(0);
  std::vector<Future<int>> futures;
  {
    const std::scoped_lock held(lock);
    for (int i = 0; i < 4; ++i) futures.push_back(executor.submit(take_turns, lock, last, turns));
    ASSERT_TRUE(
        Gate::until([&] { return std::all_of(futures.begin(), futures.end(), [](auto& f) { return f.running(); }); }));
  }
  for (auto& future : futures) EXPECT_GT(future.result(60s), turns / 100);
}

std::string misuse(Lock lock) {
  try {
    lock.unlock();
  } catch (const std::logic_error& e) {
    return e.what();
  }
  return "";
}
void make_value() { Value<int> value(1); }
void use_empty_lock() {
  Lock lock;
  lock.lock();
}
Value<int> give_back(Value<int> value) { return value; }

TEST_F(Shared, misuse_is_told) {
  ProcessPoolExecutor executor(1);
  Lock lock;
  EXPECT_THAT(thrown<std::logic_error>([&] { lock.unlock(); }), testing::HasSubstr("another than its holder"));
  lock.lock();
  EXPECT_THAT(executor.submit(misuse, lock).result(kLong), testing::HasSubstr("another than its holder"));
  std::thread([&] { thrown<std::logic_error>([&] { lock.unlock(); }); }).join();
  lock.unlock();
  EXPECT_THAT(thrown<rankpool::Error>([&] { executor.submit(make_value).result(kLong); }),
              testing::HasSubstr("inside a task"));
  EXPECT_THAT(thrown<rankpool::Error>([&] { executor.submit(use_empty_lock).result(kLong); }),
              testing::HasSubstr("empty handle"));
  const Value<int> empty;
  EXPECT_THAT(thrown<rankpool::Error>([&] { (void)empty.get(); }), testing::HasSubstr("empty handle"));
}

TEST_F(Shared, a_handle_that_a_task_gives_back_is_one_of_the_same_object_and_an_error_once_that_is_gone) {
  ProcessPoolExecutor executor(1);
  auto value = std::make_unique<Value<int>>(5);
  auto first = executor.submit(give_back, *value);
  EXPECT_EQ(first.result(kLong).get(), 5);
  auto second = executor.submit(give_back, *value);
  ASSERT_TRUE(Gate::until([&] { return second.done(); }));
  first = {};
  value.reset();
  const Value<int> late = second.result();
  EXPECT_THAT(thrown<rankpool::Error>([&] { (void)late.get(); }), testing::HasSubstr("gone"));
}

TEST_F(Shared, a_task_keeps_alive_what_it_was_given) {
  const Gate gate;
  ProcessPoolExecutor executor(1);
  auto blocker = executor.submit(pass_gate, gate.name(), 1);
  Future<long> future;
  {
    Value<long> value(40);
    future = executor.submit([](Value<long> v) { return v.fetch_add(2) + 2; }, value);
  }
  gate.open();
  EXPECT_EQ(future.result(kLong), 42);
}

Lock& own_lock() {
  static Lock lock;
  return lock;
}
void keep_lock(Lock lock) { own_lock() = lock; }
int use_kept(int x) {
  const std::scoped_lock held(own_lock());
  return x + 1;
}

TEST_F(Shared, an_initializer_hands_a_lock_to_all_tasks_of_a_pool) {
  std::optional<Pool> pool;
  {
    Lock lock;
    pool.emplace(rankpool::PoolOptions{.processes = 4, .initializer = partial(keep_lock, lock)});
  }
  EXPECT_THAT(pool->map(use_kept, std::vector{1, 2, 3}), testing::ElementsAre(2, 3, 4));
}

int in_threads(Lock lock, Value<int> value) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([lock, value]() mutable {
      for (int n = 0; n < 100; ++n) {
        const std::scoped_lock held(lock);
        value.set(value.get() + 1);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return value.get();
}

TEST_F(Shared, threads_of_one_task_and_of_rank_0_share_a_lock) {
  ProcessPoolExecutor executor(1);
  Lock lock;
  Value<int> value(0);
  auto future = executor.submit(in_threads, lock, value);
  const int own = in_threads(lock, value);
  future.result(kLong);
  EXPECT_GE(own, 400);
  EXPECT_EQ(value.get(), 800);
}

std::size_t put_numbers(const Queue<std::string>& queue, int from, int to) {
  for (int i = from; i < to; ++i) queue.put(std::to_string(i));
  return static_cast<std::size_t>(to - from);
}
std::string put_large(const Queue<std::string>& queue, std::size_t size) {
  queue.put(std::string(size, 'x'));
  return queue.try_put_for("y", 0s) ? "room" : "full";
}
int take_numbers(const Queue<int>& queue, int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += queue.get();
  return sum;
}

TEST_F(Shared, what_tasks_put_into_a_queue_rank_0_gets_each_once_and_in_order) {
  ProcessPoolExecutor executor(2);
  const Queue<std::string> queue(3);
  auto low = executor.submit(put_numbers, queue, 0, 500);
  auto high = executor.submit(put_numbers, queue, 1000, 1500);
  std::vector<int> lows;
  std::vector<int> highs;
  for (int i = 0; i < 1000; ++i) {
    const int number = std::stoi(queue.try_get_for(kLong).value());
    (number < 1000 ? lows : highs).push_back(number);
  }
  EXPECT_EQ(low.result(kLong) + high.result(kLong), 1000U);
  EXPECT_FALSE(queue.try_get_for(0s));
  EXPECT_EQ(lows.size(), 500U);
  EXPECT_TRUE(std::is_sorted(lows.begin(), lows.end()));
  EXPECT_TRUE(std::is_sorted(highs.begin(), highs.end()));
}

TEST_F(Shared, an_item_of_a_queue_may_be_larger_than_any_ring_and_a_full_queue_says_so) {
  ProcessPoolExecutor executor(1);
  const Queue<std::string> queue(1);
  constexpr std::size_t kSize = 20'000'000;
  EXPECT_EQ(executor.submit(put_large, queue, kSize).result(kLong), "full");
  EXPECT_EQ(queue.get(), std::string(kSize, 'x'));
}

TEST_F(Shared, tasks_take_from_a_queue_that_rank_0_fills) {
  ProcessPoolExecutor executor(2);
  const Queue<int> queue(0);
  auto one = executor.submit(take_numbers, queue, 50);
  auto two = executor.submit(take_numbers, queue, 50);
  for (int i = 0; i < 100; ++i) queue.put(i);
  EXPECT_EQ(one.result(kLong) + two.result(kLong), 4950);
}

}  // namespace
