#include "numbers.hpp"
#include "support.hpp"

#include <list>
#include <numeric>
#include <ranges>
#include <sstream>

namespace {

class Mapping : public Behaviour {};

std::pair<int, int> divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return {a / b, a % b};
}
std::string repeat(std::string text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}
long slow_square(long x) {
  sleep_ms(static_cast<int>(x));
  return x * x;
}
int mark_and_give(std::string gate, int value) {
  leave_mark(gate);
  return value;
}

long keep(long value) { return value; }

/// Passes the gate if the value is the one that is to wait.
int pass_gate_at(std::string gate, int wait_at, int value) {
  return value == wait_at ? pass_gate(std::move(gate), value) : value;
}

TEST_F(Mapping, results_come_in_the_order_of_the_input_for_every_chunk_size) {  // MAP-01, MAP-02, MAP-03, MAP-29
  ProcessPoolExecutor executor(3);
  EXPECT_EQ(executor.map(square, numbers(40)).to_vector(), squares(40));
  for (const int chunk : {1, 2, 6, 40, 50}) {
    EXPECT_EQ(executor.map({.chunksize = chunk}, square, numbers(40)).to_vector(), squares(40)) << chunk;
    for (const int buffer : {1, 2, 9, 10, 11}) {
      EXPECT_EQ(executor.map({.chunksize = chunk, .buffersize = buffer}, square, numbers(40)).to_vector(), squares(40))
          << chunk << " " << buffer;
    }
  }
  for (const int buffer : {1, 2, 4, 8}) {  // MAP-20
    EXPECT_EQ(executor.map({.buffersize = buffer}, square, numbers(4)).to_vector(), squares(4));
  }
}

TEST_F(Mapping, values_that_are_not_trivial_are_mapped_too) {
  ProcessPoolExecutor executor(2);
  const std::vector<std::string> texts{"a", "bc", ""};
  const std::vector<int> times{2, 1, 5, 9};
  EXPECT_THAT(executor.map(repeat, texts, times).to_vector(), ::testing::ElementsAre("aa", "bc", ""));  // MAP-42
  EXPECT_THAT(executor.map({.chunksize = 2}, repeat, texts, times).to_vector(), ::testing::ElementsAre("aa", "bc", ""));
  std::vector<bool> truth;
  for (bool odd : executor.map([](long x) { return x % 2 == 1; }, numbers(4))) truth.push_back(odd);
  EXPECT_EQ(truth, (std::vector<bool>{false, true, false, true}));
  EXPECT_EQ(executor.map([](long) {}, numbers(5)).to_vector().size(), 5U);
}

TEST_F(Mapping, any_range_is_an_input) {  // MAP-37, ASC-06
  ProcessPoolExecutor executor(2);
  EXPECT_THAT(executor.map(square, {1, 2, 3}).to_vector(), ::testing::ElementsAre(1, 4, 9));
  const std::list<long> list{4, 5};
  EXPECT_THAT(executor.map(square, list).to_vector(), ::testing::ElementsAre(16, 25));
  EXPECT_THAT(executor.map(square, std::views::iota(1L, 4L)).to_vector(), ::testing::ElementsAre(1, 4, 9));
  std::istringstream text("7 8 9");
  EXPECT_THAT(executor.map(square, std::ranges::istream_view<long>(text)).to_vector(),
              ::testing::ElementsAre(49, 64, 81));
  const long array[] = {2, 3};
  EXPECT_THAT(executor.map(square, array).to_vector(), ::testing::ElementsAre(4, 9));
}

TEST_F(Mapping, an_empty_input_ends_at_once) {  // MAP-24, MAP-43
  ProcessPoolExecutor executor(1);
  EXPECT_TRUE(executor.map(square, std::vector<long>{}).to_vector().empty());
  EXPECT_TRUE(executor.map({.buffersize = 2}, square, std::vector<long>{}).to_vector().empty());  // MAP-25
  const std::vector<long> ten = numbers(10);
  const std::vector<long> seven = numbers(7);
  EXPECT_EQ(executor.map({.buffersize = 2}, add, ten, seven).to_vector(),  // MAP-21
            (std::vector<long>{0, 2, 4, 6, 8, 10, 12}));
  auto results = executor.map(square, std::vector<long>{});
  EXPECT_FALSE(results.next());
  EXPECT_FALSE(results.next());
}

TEST_F(Mapping, numbers_below_one_are_refused_at_the_call) {  // MAP-04, MAP-05, MAP-19, IMAP-23
  ProcessPoolExecutor executor(1);
  for (const int number : {0, -1}) {
    EXPECT_THROW(executor.map({.chunksize = number}, square, numbers(3)), std::invalid_argument);
    EXPECT_THROW(executor.map({.buffersize = number}, square, numbers(3)), std::invalid_argument);
    EXPECT_THROW(executor.starmap({.chunksize = number}, add, std::vector<std::pair<long, long>>{}),
                 std::invalid_argument);
  }
}

TEST_F(Mapping, a_failed_item_throws_in_its_place_and_the_rest_goes_on) {  // MAP-06, MAP-07
  ProcessPoolExecutor executor(2);
  for (const int chunk : {1, 3}) {
    auto results = executor.map({.chunksize = chunk}, divide, std::vector{5, 5, 5, 5}, std::vector{2, 3, 0, 5});
    EXPECT_EQ(*results.next(), std::pair(2, 1));
    EXPECT_EQ(*results.next(), std::pair(1, 2));
    EXPECT_EQ(thrown<std::domain_error>([&] { results.next(); }), "division by zero");
    EXPECT_EQ(*results.next(), std::pair(1, 0));
    EXPECT_FALSE(results.next());
    EXPECT_FALSE(results.next());
  }
  auto results = executor.map(divide, std::vector{1, 1, 1}, std::vector{1, 0, 1});
  EXPECT_THROW(results.to_vector(), std::domain_error);
  EXPECT_EQ(results.to_vector().size(), 1U);
  auto again = executor.map(divide, std::vector{1, 1, 1}, std::vector{1, 0, 1});
  int count = 0;
  try {
    for ([[maybe_unused]] const auto& pair : again) ++count;
    FAIL();
  } catch (const std::domain_error&) {
  }
  for ([[maybe_unused]] const auto& pair : again) ++count;
  EXPECT_EQ(count, 2);
}

TEST_F(Mapping, the_timeout_is_one_deadline_from_the_call) {  // MAP-09, MAP-10, MAP-11, MAP-12
  Gate gate;
  ProcessPoolExecutor executor(1);
  auto results =
      executor.map({.timeout = 300ms}, pass_gate, std::vector<std::string>(3, gate.name()), std::vector{1, 2, 3});
  sleep_ms(350);
  EXPECT_THROW(results.next(), rankpool::TimeoutError);
  EXPECT_FALSE(results.next());
  EXPECT_FALSE(results.next());
  gate.open();
  EXPECT_EQ(executor.map({.timeout = kLong}, square, numbers(3)).to_vector(), squares(3));
}

TEST_F(Mapping, large_and_small_chunks_for_the_same_workers_do_not_get_in_each_others_way) {
  ProcessPoolExecutor executor(2);
  std::vector<long> many(4'000'000);
  std::iota(many.begin(), many.end(), 0L);
  for (const int chunk : {40'000, 0}) {  // of more bytes than a worker's channel holds
    rankpool::MapOptions options;
    if (chunk > 0) options.chunksize = chunk;
    auto results = executor.map(options, keep, many);
    std::vector<rankpool::Future<long>> others;
    for (long i = 0; i < 2000; ++i) others.push_back(executor.submit(keep, i));
    EXPECT_TRUE(results.to_vector() == many);
    for (long i = 0; i < 2000; ++i) ASSERT_EQ(others[static_cast<std::size_t>(i)].result(20s), i);
  }
}

TEST_F(Mapping, what_was_finished_comes_though_a_long_item_of_the_same_chunk_is_not) {
  constexpr int kItems = 20'000;
  constexpr int kLong = 15'000;
  for (const int chunk : {0, 1, 7}) {  // short items and chunks travel together once they have been measured
    Gate gate;
    ProcessPoolExecutor executor(1);
    rankpool::MapOptions options;
    if (chunk > 0) options.chunksize = chunk;
    auto results = executor.map(options, pass_gate_at, std::vector<std::string>(kItems, gate.name()),
                                std::vector<int>(kItems, kLong), std::views::iota(0, kItems));
    for (int i = 0; i < kLong; ++i) ASSERT_EQ(results.next(20s), i);
    gate.open();
    for (int i = kLong; i < kItems; ++i) ASSERT_EQ(results.next(20s), i);
  }
}

TEST_F(Mapping, a_passed_deadline_cancels_what_has_not_begun) {  // MAP-13
  Gate gate;
  Gate counted;
  ProcessPoolExecutor executor(1);
  const auto busy = executor.submit(pass_gate, gate.name(), 1);
  ASSERT_TRUE(gate.await_marks(1));
  auto results = executor.map({.chunksize = 1, .timeout = 50ms}, mark_and_give,
                              std::vector<std::string>(10, counted.name()), std::vector<int>(10, 1));
  EXPECT_THROW(results.next(), rankpool::TimeoutError);
  gate.open();
  executor.shutdown();
  EXPECT_LE(counted.marks(), 2U);  // no more than what was handed ahead
}

TEST_F(Mapping, next_with_a_timeout_loses_nothing) {  // IMAP-16
  Gate gate;
  ProcessPoolExecutor executor(1);
  auto results = executor.map(pass_gate, std::vector<std::string>(2, gate.name()), std::vector{1, 2});
  EXPECT_THROW(results.next(20ms), rankpool::TimeoutError);
  EXPECT_THROW(results.next(0ms), rankpool::TimeoutError);
  gate.open();
  EXPECT_EQ(results.next(kLong), 1);
  EXPECT_EQ(results.next(), 2);
  EXPECT_FALSE(results.next(0ms));
}

TEST_F(Mapping, close_ends_the_range_and_cancels) {  // MAP-14
  for (const int chunk : {1, 3}) {
    Gate gate;
    Gate counted;
    ProcessPoolExecutor executor(1);
    auto results = executor.map({.chunksize = chunk}, mark_and_give, std::vector<std::string>(100, counted.name()),
                                std::vector<int>(100, 1));
    EXPECT_EQ(results.next(), 1);
    const auto block = executor.submit(pass_gate, gate.name(), 1);
    results.close();
    EXPECT_FALSE(results.next());
    EXPECT_FALSE(results.next());
    gate.open();
    executor.shutdown();
  }
}

TEST_F(Mapping, dropped_results_cancel_nothing) {  // MAP-15, MAP-16, SHU-04
  Gate counted;
  {
    ProcessPoolExecutor executor(2);
    executor.map(mark_and_give, std::vector<std::string>(6, counted.name()), std::vector<int>(6, 1));
    auto advanced = executor.map(mark_and_give, std::vector<std::string>(6, counted.name()), std::vector<int>(6, 1));
    advanced.next();
  }
  EXPECT_EQ(counted.marks(), 12U);
}

TEST_F(Mapping, outcomes_have_every_items_value_or_exception) {
  ProcessPoolExecutor executor(2);
  for (const int chunk : {1, 3}) {
    auto results = executor.map({.chunksize = chunk}, divide, std::vector{5, 5, 5, 5, 6}, std::vector{2, 0, 3, 0, 6});
    const auto all = results.outcomes();
    ASSERT_EQ(all.size(), 5U);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(all[i].index, i);
      EXPECT_EQ(all[i].value.has_value(), i % 2 == 0);
      EXPECT_EQ(all[i].error == nullptr, i % 2 == 0);
    }
    EXPECT_EQ(all[4].value, std::pair(1, 0));
    EXPECT_EQ(thrown<std::domain_error>([&] { std::rethrow_exception(all[1].error); }), "division by zero");
    EXPECT_THAT(rankpool::remote_traceback(all[3].error), ::testing::HasSubstr("worker "));
    EXPECT_FALSE(results.next());
  }
  const auto nothing = executor
                           .map(
                               [](long x) {
                                 if (x == 1) throw std::range_error("one");
                               },
                               numbers(3))
                           .outcomes();
  ASSERT_EQ(nothing.size(), 3U);
  EXPECT_EQ(nothing[0].value, std::monostate());
  EXPECT_EQ(thrown<std::range_error>([&] { std::rethrow_exception(nothing[1].error); }), "one");
  auto any = executor.map({.chunksize = 1, .unordered = true}, slow_square, std::vector<long>{400, 1}).outcomes();
  ASSERT_EQ(any.size(), 2U);
  EXPECT_EQ(any[0].index, 1U);
  EXPECT_EQ(any[1].value, 160'000);
}

TEST_F(Mapping, outcomes_tell_what_was_lost_cancelled_or_not_in_time) {
  Gate gate;
  {
    ProcessPoolExecutor executor(1);
    const auto all =
        executor
            .map(
                {.chunksize = 4}, [](long x) { return x == 1 ? static_cast<long>(leave_with(3)) : x; }, numbers(6))
            .outcomes();
    ASSERT_EQ(all.size(), 6U);
    EXPECT_EQ(all[0].value, 0);
    EXPECT_THROW(std::rethrow_exception(all[1].error), rankpool::TerminatedWorkerError);
    for (std::size_t i = 2; i < 6; ++i) EXPECT_THROW(std::rethrow_exception(all[i].error), rankpool::BrokenProcessPool);
  }
  ProcessPoolExecutor executor(1);
  auto results =
      executor.map({.chunksize = 1}, pass_gate, std::vector<std::string>(9, gate.name()), std::views::iota(0, 9));
  ASSERT_TRUE(gate.await_marks(1));
  executor.shutdown({.wait = false, .cancel_futures = true});
  gate.open();
  const auto cancelled = results.outcomes();
  ASSERT_EQ(cancelled.size(), 9U);
  EXPECT_EQ(cancelled[0].value, 0);
  EXPECT_THROW(std::rethrow_exception(cancelled[8].error), rankpool::CancelledError);
  Gate closed;
  ProcessPoolExecutor slow(1);
  const auto late = slow.map({.chunksize = 1, .timeout = 400ms}, pass_gate_at,
                             std::vector<std::string>(5, closed.name()), std::vector<int>(5, 1), std::views::iota(0, 5))
                        .outcomes();
  ASSERT_EQ(late.size(), 5U);
  EXPECT_EQ(late[0].value, 0);
  EXPECT_THROW(std::rethrow_exception(late[1].error), rankpool::TimeoutError);
  EXPECT_FALSE(late[4].value);
  closed.open();
}

TEST_F(Mapping, what_to_vector_throws_says_how_many_others_failed) {
  ProcessPoolExecutor executor(2);
  auto results = executor.map(divide, std::vector{1, 2, 3, 4}, std::vector{1, 0, 0, 0});
  executor.shutdown();
  const std::string text = thrown<std::domain_error>([&] { results.to_vector(); });
  EXPECT_EQ(text, "division by zero (2 other items failed, too)");
  EXPECT_EQ(thrown<std::domain_error>([&] { results.next(); }), "division by zero");
}

TEST_F(Mapping, results_that_are_moved_go_on_where_they_were) {
  ProcessPoolExecutor executor(2);
  const auto input = numbers(40);
  auto results = executor.map({.chunksize = 2, .buffersize = 2}, square, input);
  std::vector<long> all;
  for (int i = 0; i < 5; ++i) all.push_back(*results.next());
  rankpool::MapResults<long> moved;
  moved = std::move(results);
  for (const long value : moved) {
    all.push_back(value);
    if (all.size() == 10) break;
  }
  const auto whole = std::move(moved);
  EXPECT_EQ(all.size(), 10U);
  EXPECT_FALSE(whole.finished());
  EXPECT_FALSE(results.next());  // NOLINT(bugprone-use-after-move)
}

TEST_F(Mapping, a_buffer_reads_exactly_so_many_chunks_ahead) {  // MAP-26, MAP-27, MAP-28
  for (const int chunk : {1, 3}) {
    ProcessPoolExecutor executor(1);
    int taken = 0;
    auto source = std::views::iota(0L) | std::views::transform([&](long x) {
                    ++taken;
                    return x;
                  });
    auto results = executor.map({.chunksize = chunk, .buffersize = 2}, square, source);
    EXPECT_EQ(taken, 2 * chunk);
    sleep_ms(20);
    EXPECT_EQ(taken, 2 * chunk);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(results.next(), i * i);
      EXPECT_EQ(taken, (2 + i / chunk + 1) * chunk);
    }
    results.close();
  }
}

TEST_F(Mapping, endless_inputs_work_with_a_buffer) {  // MAP-22, MAP-23, NST-04
  ProcessPoolExecutor executor(2);
  auto endless = std::views::iota(0L);
  auto results = executor.map({.buffersize = 2}, add, endless, endless);
  for (long i = 0; i < 1000; ++i) ASSERT_EQ(results.next(), 2 * i);
  results.close();
}

TEST_F(Mapping, unordered_results_come_as_they_finish) {  // MAP-30, MAP-31 to MAP-36
  ProcessPoolExecutor executor(2);
  executor.bootup();
  auto results = executor.map({.chunksize = 1, .unordered = true}, slow_square, std::vector<long>{600, 10});
  EXPECT_EQ(results.next(), 100);
  EXPECT_EQ(results.next(), 360'000);
  EXPECT_FALSE(results.next());
  for (const int chunk : {1, 6, 50}) {
    auto all = executor.map({.chunksize = chunk, .unordered = true}, square, numbers(40)).to_vector();
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, squares(40));
  }
  auto buffered = executor.map({.buffersize = 3, .unordered = true}, square, numbers(40)).to_vector();
  std::sort(buffered.begin(), buffered.end());
  EXPECT_EQ(buffered, squares(40));
  auto failing = executor.map({.unordered = true}, divide, std::vector{1, 1, 1}, std::vector{1, 0, 1});
  int values = 0;
  int errors = 0;
  for (int i = 0; i < 3; ++i) {
    try {
      values += failing.next().has_value() ? 1 : 0;
    } catch (const std::domain_error&) {
      ++errors;
    }
  }
  EXPECT_EQ(values, 2);
  EXPECT_EQ(errors, 1);
}

TEST_F(Mapping, starmap_takes_tuples) {  // MAP-37, MAP-38
  ProcessPoolExecutor executor(2);
  std::vector<std::pair<long, long>> pairs;
  std::vector<long> sums;
  for (long i = 0; i < 40; ++i) {
    pairs.emplace_back(i, 2 * i);
    sums.push_back(3 * i);
  }
  EXPECT_EQ(executor.starmap(add, pairs).to_vector(), sums);
  for (const int chunk : {6, 40, 50}) EXPECT_EQ(executor.starmap({.chunksize = chunk}, add, pairs).to_vector(), sums);
  const std::vector<std::tuple<std::string, int>> tuples{{"ab", 2}, {"c", 3}};
  EXPECT_THAT(executor.starmap(repeat, tuples).to_vector(), ::testing::ElementsAre("abab", "ccc"));
}

TEST_F(Mapping, an_input_that_throws_gives_its_error_after_what_came_before) {  // MAP-46 to MAP-49, EXC-04
  ProcessPoolExecutor executor(2);
  for (const int chunk : {1, 2, 4}) {
    auto source = std::views::iota(0L, 20L) | std::views::transform([](long x) {
                    if (x == 7) throw std::range_error("source");
                    return x;
                  });
    auto results = executor.map({.chunksize = chunk}, square, source);
    for (long i = 0; i < 7; ++i) EXPECT_EQ(results.next(), i * i);
    try {
      results.next();
      FAIL();
    } catch (const std::range_error& e) {
      EXPECT_STREQ(e.what(), "source");
      EXPECT_EQ(rankpool::remote_traceback(e), "");
    }
    EXPECT_FALSE(results.next());
    EXPECT_EQ(executor.submit(square, 2).result(), 4);
  }
}

std::size_t length_and_mark(std::string gate, const std::string& text) {
  leave_mark(gate);
  return text.size();
}

TEST_F(Mapping, large_items_run_while_others_are_still_read) {
  Gate gate;
  ProcessPoolExecutor executor(2);
  bool first_ran = false;
  const auto texts = std::views::iota(0, 12) | std::views::transform([&](int i) {
                       if (i == 11) first_ran = gate.await_marks(1);
                       return std::string(static_cast<std::size_t>(i + 1) << 19U, 'x');
                     });
  const auto lengths = executor.map(rankpool::partial(length_and_mark, gate.name()), texts).to_vector();
  EXPECT_TRUE(first_ran);
  ASSERT_EQ(lengths.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) EXPECT_EQ(lengths[i], (i + 1) << 19U);
}

TEST_F(Mapping, large_items_end_with_a_pool_that_breaks_while_others_are_read) {
  ProcessPoolExecutor executor(1);
  const auto texts = std::views::iota(0, 12) | std::views::transform([&](int i) {
                       if (i == 11) {
                         EXPECT_TRUE(Gate::until([&] { return executor.num_workers() == 0; }));
                       }
                       return std::string(std::size_t{1} << 20U, 'x');
                     });
  const auto all = executor.map([](const std::string&) { std::raise(SIGKILL); }, texts).outcomes();
  ASSERT_EQ(all.size(), 12U);
  for (const auto& outcome : all) {
    EXPECT_THROW(std::rethrow_exception(outcome.error), rankpool::BrokenProcessPool) << outcome.index;
  }
}

TEST_F(Mapping, results_are_readable_after_shutdown) {  // MAP-53, SHU-13
  ProcessPoolExecutor executor(2);
  auto results = executor.map(square, numbers(100));
  executor.shutdown();
  EXPECT_EQ(results.to_vector(), squares(100));
}

TEST_F(Mapping, a_million_items_go_through) {
  ProcessPoolExecutor executor;
  EXPECT_EQ(executor.map(square, numbers(1'000'000)).to_vector(), squares(1'000'000));
}

TEST_F(Mapping, a_worker_lost_in_a_chunk_costs_only_the_item_it_was_at) {
  ProcessPoolExecutor executor({.max_workers = 1, .on_worker_death = rankpool::OnWorkerDeath::replace});
  auto results = executor.map(
      {.chunksize = 10}, [](long x) { return x == 4 ? static_cast<long>(leave_with(3)) : x * x; }, numbers(10));
  for (long i = 0; i < 10; ++i) {
    if (i == 4) {
      EXPECT_THAT(thrown<rankpool::TerminatedWorkerError>([&] { results.next(); }),
                  ::testing::HasSubstr("exit code 3"));
    } else {
      EXPECT_EQ(results.next(), i * i);
    }
  }
  EXPECT_FALSE(results.next());
  ProcessPoolExecutor breaking(1);
  auto broken = breaking.map(
      {.chunksize = 10}, [](long x) { return x == 4 ? static_cast<long>(leave_with(3)) : x * x; }, numbers(10));
  for (long i = 0; i < 4; ++i) EXPECT_EQ(broken.next(), i * i);  // what was finished is kept
  EXPECT_THROW(broken.next(), rankpool::TerminatedWorkerError);
  EXPECT_THROW(broken.next(), rankpool::BrokenProcessPool);
}

}  // namespace
