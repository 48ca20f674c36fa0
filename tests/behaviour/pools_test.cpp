#include "numbers.hpp"
#include "support.hpp"

#include <numeric>
#include <ranges>

namespace {

using rankpool::AsyncResult;
using rankpool::Pool;

class Pools : public Behaviour {};
class AsyncResults : public Behaviour {};
class Imap : public Behaviour {};

long fail_at_3(long x) {
  if (x == 3) throw std::domain_error("three");
  return x;
}

struct Unencodable {
  template <class Archive>
  void save(Archive&, unsigned) const {
    throw std::logic_error("too secret");
  }
  template <class Archive>
  void load(Archive&, unsigned) {}
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  std::string secret;  // so that it does not travel as plain data
};

TEST_F(Pools, apply_and_map_give_values) {  // ASY-01, MAP-39, MAP-43
  Pool pool(3);
  EXPECT_EQ(pool.apply(square, std::tuple(5)), 25);
  EXPECT_EQ(pool.apply(add, std::tuple(5, 6)), 11);
  pool.apply([] {});
  EXPECT_EQ(pool.map(square, numbers(100)), squares(100));
  EXPECT_EQ(pool.map(square, numbers(100), 20), squares(100));
  EXPECT_EQ(pool.starmap(add, std::vector<std::pair<long, long>>{{1, 2}, {3, 4}}, 1), (std::vector<long>{3, 7}));
  EXPECT_TRUE(pool.map(square, std::vector<long>{}).empty());
}

TEST_F(Pools, a_map_ends_with_all_items_and_then_throws_the_first_error) {  // MAP-50 to MAP-52, EXC-03, EXC-05
  Gate gate;
  Pool pool(2);
  const auto task = [](std::string name, int x) {
    leave_mark(name);
    if (x % 2 == 1) throw std::runtime_error(std::to_string(x));
    return x;
  };
  std::vector<std::pair<std::string, int>> items;
  for (int i = 0; i < 8; ++i) items.emplace_back(gate.name(), i);
  EXPECT_EQ(thrown<std::runtime_error>([&] { pool.starmap(task, items, 1); }), "1");
  EXPECT_EQ(gate.marks(), 8U);
  EXPECT_EQ(pool.map(square, numbers(3)), squares(3));
}

TEST_F(Pools, an_input_that_throws_throws_out_of_map) {  // MAP-46 to MAP-48
  Pool pool(2);
  for (int round = 0; round < 2; ++round) {
    auto source = std::views::iota(0L, 10L) | std::views::transform([](long x) {
                    if (x == 3) throw std::range_error("source");
                    return x;
                  });
    EXPECT_EQ(thrown<std::range_error>([&] { pool.map(square, source); }), "source");
  }
  EXPECT_EQ(pool.map(square, numbers(3)), squares(3));
}

TEST_F(Pools, numbers_that_make_no_sense_are_refused) {  // SUB-13, MAP-05, IMAP-23, MTC-12
  for (const int number : {0, -1}) {
    EXPECT_THROW(Pool pool(number), std::invalid_argument);
    EXPECT_THROW(Pool({.maxtasksperchild = number}), std::invalid_argument);
    Pool pool(1);
    EXPECT_THROW(pool.map(square, numbers(3), number), std::invalid_argument);
    EXPECT_THROW(pool.imap(square, numbers(3), number), std::invalid_argument);
    EXPECT_THROW(pool.imap_unordered(square, numbers(3), number), std::invalid_argument);
  }
}

TEST_F(Pools, a_closed_pool_takes_nothing_and_finishes_what_it_has) {  // CTJ-01 to CTJ-04
  Pool pool(2);
  Gate gate;
  EXPECT_EQ(thrown<std::logic_error>([&] { pool.join(); }), "Pool is still running");
  const auto running = pool.apply_async(pass_gate, std::tuple(gate.name(), 3));
  pool.close();
  EXPECT_EQ(thrown<rankpool::ShutdownError>([&] { pool.apply(square, std::tuple(1)); }), "Pool not running");
  EXPECT_THROW(pool.map(square, numbers(2)), rankpool::ShutdownError);
  EXPECT_THROW(pool.map_async(square, numbers(2)), rankpool::ShutdownError);
  EXPECT_THROW(pool.imap(square, numbers(2)), rankpool::ShutdownError);
  gate.open();
  pool.join();
  EXPECT_EQ(running.get(0s), 3);
  pool.close();
  pool.join();
  pool.terminate();
}

TEST_F(Pools, terminate_ends_ten_thousand_tasks_at_once) {  // CTJ-05, CTJ-07, ASY-13, NST-05
  Gate gate;
  const auto begin = std::chrono::steady_clock::now();
  {
    Pool pool(2);
    std::vector<AsyncResult<int>> results;
    for (int i = 0; i < 10'000; ++i) results.push_back(pool.apply_async(pass_gate, std::tuple(gate.name(), i)));
    ASSERT_TRUE(gate.await_marks(2));
    std::thread waiter([&] { EXPECT_THROW(results.front().get(kLong), rankpool::BrokenProcessPool); });
    pool.terminate();
    pool.join();
    waiter.join();
    for (const auto& result : results) EXPECT_TRUE(result.ready());
    EXPECT_THROW(results.back().get(0s), rankpool::CancelledError);
  }
  {
    Pool dropped(1);
    dropped.apply_async(pass_gate, std::tuple(gate.name(), 1));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(Pools, a_killed_worker_costs_only_its_task_and_is_replaced) {  // ASY-14
  Pool pool(2);
  Gate gate;
  const auto other = pool.apply_async(pass_gate, std::tuple(gate.name(), 5));
  ASSERT_TRUE(gate.await_marks(1));
  EXPECT_THAT(thrown<rankpool::TerminatedWorkerError>([&] { pool.apply(die_by, std::tuple(SIGKILL)); }),
              ::testing::HasSubstr("SIGKILL"));
  EXPECT_TRUE(Gate::until([] { return workers_on_this_node().size() == 2; }));
  EXPECT_EQ(pool.apply(square, std::tuple(4)), 16);
  gate.open();
  EXPECT_EQ(other.get(kLong), 5);
}

TEST_F(Pools, what_cannot_be_encoded_fails_its_task_and_costs_no_worker) {  // ASY-12, MAP-45
  Pool pool(1);
  const pid_t worker = pool.apply(own_pid);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> told{0};
    const auto result =
        pool.apply_async([] { return Unencodable{}; }, std::tuple(), {}, [&](std::exception_ptr) { ++told; });
    EXPECT_THAT(thrown<rankpool::SerializationError>([&] { result.get(kLong); }), ::testing::HasSubstr("too secret"));
    EXPECT_EQ(told, 1);
  }
  const auto use = [](const Unencodable&) { return 1; };
  EXPECT_THAT(thrown<std::logic_error>([&] { pool.map(use, std::vector<Unencodable>(10), 1); }),
              ::testing::HasSubstr("too secret"));
  EXPECT_EQ(pool.apply(own_pid), worker);
}

TEST_F(Pools, workers_live_for_so_many_tasks) {  // MTC-11, CTJ-10
  Pool pool({.processes = 3, .maxtasksperchild = 1});
  std::vector<AsyncResult<long>> results;
  for (long i = 0; i < 6; ++i) results.push_back(pool.apply_async(square, std::tuple(i)));
  pool.close();
  pool.join();
  for (long i = 0; i < 6; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(0s), i * i);
}

TEST_F(AsyncResults, get_waits_and_times_out) {  // ASY-02, ASY-03, ASY-10, ASY-11
  Pool pool(1);
  Gate gate;
  const auto result = pool.apply_async(pass_gate, std::tuple(gate.name(), 49));
  EXPECT_FALSE(result.ready());
  EXPECT_THROW((void)result.successful(), rankpool::InvalidStateError);
  EXPECT_THROW(result.get(20ms), rankpool::TimeoutError);
  EXPECT_NO_THROW(result.wait(20ms));
  gate.open();
  EXPECT_EQ(result.get(kLong), 49);
  EXPECT_TRUE(result.ready());
  EXPECT_TRUE(result.successful());
  const auto failed = pool.apply_async(fail_with, std::tuple(3));
  failed.wait();
  EXPECT_FALSE(failed.successful());
}

TEST_F(AsyncResults, exactly_one_callback_is_called_and_before_get_returns) {  // ASY-04 to ASY-08, ASY-15
  Pool pool(2);
  std::atomic<int> values{0};
  std::atomic<int> errors{0};
  const auto good = pool.apply_async(
      square, std::tuple(7), [&](const long& x) { values += static_cast<int>(x); },
      [&](std::exception_ptr) { ++errors; });
  EXPECT_EQ(good.get(kLong), 49);
  EXPECT_EQ(values, 49);
  const auto bad = pool.apply_async(
      fail_with, std::tuple(1), [&](const int&) { values += 1000; }, [&](std::exception_ptr) { ++errors; });
  bad.wait();
  EXPECT_EQ(errors, 1);
  EXPECT_THROW(bad.get(), std::runtime_error);
  const auto all = pool.map_async(
      square, numbers(10), 3, [&](const std::vector<long>& list) { values = static_cast<int>(list.size()); },
      [&](std::exception_ptr) { ++errors; });
  all.wait();
  EXPECT_EQ(values, 10);
  EXPECT_EQ(all.get(), squares(10));
  const auto failing = pool.map_async([](long x) { return fail_at_3(x == 7 ? 3 : x); }, numbers(10), 1, nullptr,
                                      [&](std::exception_ptr) { ++errors; });
  failing.wait();
  EXPECT_EQ(errors, 2);
  EXPECT_THROW(failing.get(), std::domain_error);
}

TEST_F(AsyncResults, a_map_over_nothing_calls_back_once) {  // ASY-09, MAP-41, MAP-44
  Pool pool(1);
  std::atomic<int> calls{0};
  const auto result = pool.map_async(square, std::vector<long>{}, 1,
                                     [&](const std::vector<long>& all) { calls += all.empty() ? 1 : 100; });
  EXPECT_TRUE(result.get(kLong).empty());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(pool.starmap_async(add, std::vector<std::pair<long, long>>{{1, 2}}).get(kLong),
            std::vector<long>{3});  // MAP-40
}

TEST_F(AsyncResults, terminate_ends_a_map_too) {
  Pool pool(1);
  Gate gate;
  const auto result = pool.starmap_async(pass_gate, std::vector<std::pair<std::string, int>>(100, {gate.name(), 1}), 1);
  ASSERT_TRUE(gate.await_marks(1));
  pool.terminate();
  EXPECT_THROW(result.get(kLong), rankpool::BrokenProcessPool);
}

TEST_F(Imap, gives_results_in_order_and_then_the_end) {  // IMAP-01 to IMAP-06
  Pool pool(3);
  auto results = pool.imap(square, numbers(10));
  for (long i = 0; i < 10; ++i) EXPECT_EQ(results.next(), i * i);
  EXPECT_FALSE(results.next());
  EXPECT_EQ(pool.imap(square, numbers(1000), 100).to_vector(), squares(1000));
  for (const int chunk : {1, 100}) {
    auto all = pool.imap_unordered(square, numbers(1000), chunk).to_vector();
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, squares(1000));
  }
  EXPECT_TRUE(pool.imap(square, std::vector<long>{}).to_vector().empty());
  EXPECT_TRUE(pool.imap_unordered(square, std::vector<long>{}).to_vector().empty());
}

TEST_F(Imap, is_lazy_and_works_on_endless_inputs) {  // IMAP-17, IMAP-18, IMAP-24
  Pool pool(2);
  int taken = 0;
  auto source = std::views::iota(0L) | std::views::transform([&](long x) {
                  ++taken;
                  return x;
                });
  auto results = pool.imap(square, source);
  EXPECT_EQ(taken, 8);
  for (long i = 0; i < 500; ++i) ASSERT_EQ(results.next(), i * i);
  EXPECT_LE(taken, 508);
  results.close();
}

TEST_F(Imap, a_failed_item_and_a_failing_source_keep_their_places) {  // IMAP-07 to IMAP-15
  Pool pool(2);
  for (const int chunk : {1, 2}) {
    auto results = pool.imap(fail_at_3, numbers(6), chunk);
    for (long i = 0; i < 6; ++i) {
      if (i == 3) {
        EXPECT_THROW(results.next(), std::domain_error);
      } else {
        EXPECT_EQ(results.next(), i);
      }
    }
    EXPECT_FALSE(results.next());
  }
  for (int first = 0; first < 4; first += 3) {
    auto source = std::views::iota(0L, 20L) | std::views::transform([first](long x) {
                    if (x == first) throw std::range_error("source");
                    return x;
                  });
    auto results = pool.imap(square, source, 2);
    for (long i = 0; i < first; ++i) EXPECT_EQ(results.next(), i * i);
    EXPECT_THROW(results.next(), std::range_error);
    EXPECT_FALSE(results.next());
  }
}

TEST_F(Imap, a_half_read_one_holds_nothing_up) {  // IMAP-19 to IMAP-22
  for (int way = 0; way < 4; ++way) {
    auto pool = std::make_unique<Pool>(2);
    auto source = std::views::iota(0L);
    auto results = pool->imap(square, source, 1, 2);
    EXPECT_EQ(results.next(), 0);
    if (way == 0) pool->close();
    if (way == 1) pool->terminate();
    if (way < 2) pool->join();
    if (way == 2) {
      auto dropped = std::move(results);
    }
    pool.reset();
  }
}

TEST_F(Imap, next_with_a_timeout_loses_nothing) {  // IMAP-16
  Pool pool(1);
  Gate gate;
  const std::vector<std::pair<std::string, int>> items{{gate.name(), 1}, {gate.name(), 2}};
  auto results =
      pool.imap([](const std::pair<std::string, int>& item) { return pass_gate(item.first, item.second); }, items);
  for (int round = 0; round < 3; ++round) EXPECT_THROW(results.next(5ms), rankpool::TimeoutError);
  gate.open();
  EXPECT_EQ(results.next(kLong), 1);
  EXPECT_EQ(results.next(kLong), 2);
  EXPECT_FALSE(results.next(kLong));
}

TEST_F(Imap, unordered_gives_the_quick_one_first) {  // IMAP-05
  Pool pool(2);
  Gate gate;
  const std::vector<std::pair<std::string, int>> items{{gate.name(), 1}, {"", 2}};
  const auto task = [](const std::pair<std::string, int>& item) {
    return item.first.empty() ? item.second : pass_gate(item.first, item.second);
  };
  auto results = pool.imap_unordered(task, items);
  EXPECT_EQ(results.next(kLong), 2);
  gate.open();
  EXPECT_EQ(results.next(kLong), 1);
}

TEST_F(Imap, a_worker_that_dies_costs_only_its_item) {  // ASY-14
  Pool pool(2);
  const auto task = [](long x) { return x == 7 ? die_by(SIGKILL) : x; };
  for (const int chunk : {1, 5}) {
    auto results = pool.imap(task, numbers(20), chunk);
    for (long i = 0; i < 20; ++i) {
      if (i == 7) {
        EXPECT_THROW(results.next(kLong), rankpool::TerminatedWorkerError);
      } else {
        EXPECT_EQ(results.next(kLong), i);
      }
    }
    EXPECT_FALSE(results.next(kLong));
  }
}

TEST_F(Imap, ten_million_items_take_no_memory_on_rank_0) {  // IMAP-18, NST-04
  if (kSanitized) GTEST_SKIP() << "sanitizers keep what was freed";
  const auto resident = [] {
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages * ::sysconf(_SC_PAGESIZE);
  };
  Pool pool(2);
  const long before = resident();
  long most = before;
  long expected = 0;
  for (const long result : pool.imap(square, std::views::iota(0L, 10'000'000L), 1000)) {
    ASSERT_EQ(result, expected * expected);
    if (++expected % 100'000 == 0) most = std::max(most, resident());
  }
  EXPECT_EQ(expected, 10'000'000L);
  EXPECT_LT(most - before, 50'000'000L);
}

}  // namespace
