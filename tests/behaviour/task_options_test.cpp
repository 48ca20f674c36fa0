// What one task, or each item of a map, may have of its own: a name, a priority, a time limit, a number of retries,
// memory.
#include "behaviour/support.hpp"

#include <csignal>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

namespace {

using rankpool::ExecutorOptions;
using rankpool::OnWorkerDeath;
using rankpool::TaskTimeoutError;
using rankpool::TerminatedWorkerError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using TaskOptions = Behaviour;

int hang(int) {
  while (true) ::poll(nullptr, 0, -1);
}
int throws(int) { throw std::domain_error("in a task"); }
int die(int signal) { return std::raise(signal); }
long turn(rankpool::Value<long> counter) { return counter.fetch_add(1); }
long turn_of_item(rankpool::Value<long> counter, int) { return counter.fetch_add(1); }

ExecutorOptions options_of(int workers, OnWorkerDeath on_death = OnWorkerDeath::break_pool) {
  ExecutorOptions options;
  options.max_workers = workers;
  options.on_worker_death = on_death;
  return options;
}

TEST_F(TaskOptions, a_name_stands_in_the_texts_of_errors) {
  ProcessPoolExecutor executor(options_of(1, OnWorkerDeath::replace));
  auto thrower = executor.submit({.name = "fit 3"}, throws, 1);
  EXPECT_THROW(thrower.result(kLong), std::domain_error);
  EXPECT_THAT(rankpool::remote_traceback(thrower.exception()), HasSubstr("in fit 3"));
  EXPECT_THAT(thrown<TerminatedWorkerError>([&] { executor.submit({.name = "fit 4"}, die, SIGKILL).result(kLong); }),
              HasSubstr("while it ran the task \"fit 4\""));
  EXPECT_THAT(thrown<TaskTimeoutError>(
                  [&] { executor.submit({.name = "fit 5", .task_timeout = 100ms}, hang, 1).result(kLong); }),
              HasSubstr("the task \"fit 5\" ran past its task_timeout"));
  // And it is that task's alone.
  auto nameless = executor.submit(throws, 1);
  EXPECT_THAT(rankpool::remote_traceback(nameless.exception(kLong)), ::testing::Not(HasSubstr("fit")));
}

TEST_F(TaskOptions, items_of_a_map_have_its_name) {
  ProcessPoolExecutor executor(2);
  auto outcomes = executor.map({.name = "fits"}, throws, std::vector{1, 2, 3}).outcomes();
  ASSERT_EQ(outcomes.size(), 3U);
  for (const auto& outcome : outcomes) EXPECT_THAT(rankpool::remote_traceback(outcome.error), HasSubstr("in fits"));
}

TEST_F(TaskOptions, may_be_made_before_the_call) {
  ProcessPoolExecutor executor(1);
  rankpool::TaskOptions options;
  options.priority = 1;
  EXPECT_EQ(executor.submit(options, square, 3).result(kLong), 9);
  EXPECT_EQ(executor.submit(std::move(options), square, 4).result(kLong), 16);
}

TEST_F(TaskOptions, a_name_stands_in_the_insights) {
  ProcessPoolExecutor executor(1);
  executor.submit({.name = "the long fit"}, [] { ::poll(nullptr, 0, 50); }).result(kLong);
  executor.submit(square, 1).result(kLong);
  executor.shutdown();
  std::ostringstream text;
  text << executor.insights();
  EXPECT_THAT(text.str(), HasSubstr("the long fit"));
}

/// The order in which one worker takes what was submitted while it was busy.
TEST_F(TaskOptions, the_highest_priority_goes_first_and_equal_ones_in_order) {
  ProcessPoolExecutor executor(1);
  const Gate gate;
  rankpool::Value<long> counter(0);
  std::vector<Future<int>> ahead;
  for (int i = 0; i < 4; ++i)
    ahead.push_back(executor.submit(pass_gate, gate.name(), i));  // more than are handed ahead
  ASSERT_TRUE(gate.await_marks(1));
  auto low = executor.submit({.priority = -1}, turn, counter);
  auto usual = executor.submit(turn, counter);
  auto high = executor.submit({.priority = 10}, turn, counter);
  auto higher = executor.submit({.priority = 20}, turn, counter);
  auto high_too = executor.submit({.priority = 10}, turn, counter);
  gate.open();
  EXPECT_EQ(higher.result(kLong), 0);
  EXPECT_EQ(high.result(kLong), 1);
  EXPECT_EQ(high_too.result(kLong), 2);
  EXPECT_EQ(usual.result(kLong), 3);
  EXPECT_EQ(low.result(kLong), 4);
  for (auto& future : ahead) future.result(kLong);
}

TEST_F(TaskOptions, a_map_may_be_overtaken_and_overtake) {
  ProcessPoolExecutor executor(1);
  const Gate gate;
  rankpool::Value<long> counter(0);
  std::vector<Future<int>> ahead;
  for (int i = 0; i < 4; ++i) ahead.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(1));
  auto background =
      executor.map({.chunksize = 1, .priority = -5}, rankpool::partial(turn_of_item, counter), std::vector<int>(20));
  auto task = executor.submit(turn, counter);
  auto urgent =
      executor.map({.chunksize = 1, .priority = 5}, rankpool::partial(turn_of_item, counter), std::vector<int>(3));
  gate.open();
  EXPECT_THAT(urgent.to_vector(), ElementsAre(0, 1, 2));
  EXPECT_EQ(task.result(kLong), 3);
  EXPECT_EQ(background.to_vector().back(), 23);
  for (auto& future : ahead) future.result(kLong);
}

TEST_F(TaskOptions, a_cancelled_task_of_high_priority_is_nobodys_turn) {
  ProcessPoolExecutor executor(1);
  const Gate gate;
  std::vector<Future<int>> ahead;
  for (int i = 0; i < 4; ++i) ahead.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(1));
  auto urgent = executor.submit({.priority = 5}, square, 3);
  auto usual = executor.submit(square, 4);
  EXPECT_TRUE(urgent.cancel());
  gate.open();
  EXPECT_EQ(usual.result(kLong), 16);
  EXPECT_TRUE(urgent.cancelled());
  for (auto& future : ahead) future.result(kLong);
}

TEST_F(TaskOptions, a_time_limit_is_the_tasks_own) {
  ProcessPoolExecutor executor(2);
  EXPECT_THROW(executor.submit({.task_timeout = 150ms}, hang, 1).result(kLong), TaskTimeoutError);
  // The executor goes on, and others have none.
  const auto slow = [](int x) {
    ::poll(nullptr, 0, 400);
    return x;
  };
  EXPECT_EQ(executor.submit(slow, 7).result(kLong), 7);
  EXPECT_EQ(executor.submit({.task_timeout = kLong}, slow, 8).result(kLong), 8);
}

TEST_F(TaskOptions, a_time_limit_goes_before_the_executors) {
  auto options = options_of(1);
  options.task_timeout = 200ms;
  ProcessPoolExecutor executor(std::move(options));
  const auto slow = [](int x) {
    ::poll(nullptr, 0, 600);
    return x;
  };
  EXPECT_EQ(executor.submit({.task_timeout = kLong}, slow, 1).result(kLong), 1);
  EXPECT_THROW(executor.submit(slow, 2).result(kLong), TaskTimeoutError);
}

TEST_F(TaskOptions, each_item_of_a_map_has_the_time_limit) {
  ProcessPoolExecutor executor(2);
  const auto sometimes = [](int x) { return x == 2 ? hang(x) : x; };
  const auto outcomes =
      executor.map({.chunksize = 3, .task_timeout = 300ms}, sometimes, std::vector{0, 1, 2, 3, 4, 5}).outcomes();
  ASSERT_EQ(outcomes.size(), 6U);
  for (const auto& outcome : outcomes) {
    if (outcome.index == 2) {
      EXPECT_THROW(std::rethrow_exception(outcome.error), TaskTimeoutError);
    } else {
      EXPECT_EQ(outcome.value, static_cast<int>(outcome.index));
    }
  }
}

TEST_F(TaskOptions, retries_are_the_tasks_own) {
  ProcessPoolExecutor executor(options_of(1, OnWorkerDeath::replace));
  rankpool::Value<long> tries(0);
  const auto die_twice = [](rankpool::Value<long> counter) {
    const long before = counter.fetch_add(1);
    return before < 2 ? static_cast<long>(die(SIGKILL)) : before;
  };
  EXPECT_EQ(executor.submit({.max_retries = 2}, die_twice, tries).result(kLong), 2);
}

TEST_F(TaskOptions, what_makes_no_sense_is_refused) {
  ProcessPoolExecutor executor(1);
  EXPECT_THROW(executor.submit({.task_timeout = 0ms}, square, 1), std::invalid_argument);
  EXPECT_THROW(executor.map({.task_timeout = -1s}, square, std::vector{1L}), std::invalid_argument);
  EXPECT_THROW(executor.submit({.ranks = 0}, square, 1), std::invalid_argument);
  EXPECT_THROW(executor.submit({.max_retries = -1}, square, 1), std::invalid_argument);
}

/// Of this node, for the job, or what a control group leaves of it.
std::size_t most_memory(ProcessPoolExecutor& executor) {
  std::size_t fits = 1;
  for (std::size_t step = std::size_t{1} << 50U; step > 0; step /= 2) {
    try {
      executor.submit({.memory = fits + step}, throws, 1).cancel();
      fits += step;
    } catch (const std::invalid_argument&) {  // it is less
    }
  }
  return fits;
}
/// How many of its kind run, and the most of them at a time.
int busy_with_memory(rankpool::Value<long> running, rankpool::Value<long> most, int) {
  const long now = running.fetch_add(1) + 1;
  for (long seen = most.get(); now > seen && !most.compare_exchange(seen, now);) {
  }
  ::poll(nullptr, 0, 30);
  running.fetch_add(-1);
  return rankpool::this_worker().rank;
}

TEST_F(TaskOptions, no_more_run_at_a_time_than_the_memory_of_a_node_holds) {
  std::set<std::string> hosts;
  for (const auto& rank : rankpool::ranks()) hosts.insert(rank.host);
  const int nodes = static_cast<int>(hosts.size());
  ProcessPoolExecutor executor(options_of(4 * nodes));
  executor.bootup();
  const std::size_t all = most_memory(executor);
  rankpool::Value<long> running(0);
  rankpool::Value<long> most(0);
  const auto needing = [&](std::size_t memory, int n) {
    most.set(0);
    const std::vector<int> items(static_cast<std::size_t>(n * nodes));
    executor.map({.memory = memory}, rankpool::partial(busy_with_memory, running, most), items).to_vector();
    return most.get();
  };
  EXPECT_EQ(needing(all / 2 + 1, 6), nodes);
  EXPECT_EQ(needing(all / 3 + 1, 8), 2 * nodes);
  EXPECT_LE(needing(1, 40), 4 * nodes);
}

TEST_F(TaskOptions, memory_is_given_back_by_tasks_that_throw_time_out_and_crash) {
  ProcessPoolExecutor executor(options_of(2, OnWorkerDeath::replace));
  const std::size_t all = most_memory(executor);
  auto thrower = executor.submit({.memory = all}, throws, 1);
  auto crasher = executor.submit({.memory = all}, die, SIGKILL);
  auto hanger = executor.submit({.task_timeout = 100ms, .memory = all}, hang, 1);
  auto cancelled = executor.submit({.memory = all}, throws, 1);
  auto last = executor.submit({.memory = all}, throws, 1);
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_THROW(thrower.result(kLong), std::domain_error);
  EXPECT_THROW(crasher.result(kLong), TerminatedWorkerError);
  EXPECT_THROW(hanger.result(kLong), TaskTimeoutError);
  EXPECT_THROW(last.result(kLong), std::domain_error);
}

TEST_F(TaskOptions, more_memory_than_the_job_has_is_refused_with_both_numbers) {
  ProcessPoolExecutor executor(1);
  EXPECT_THAT(thrown<std::invalid_argument>([&] { executor.submit({.memory = std::size_t{1} << 60U}, hang, 1); }),
              AllOf(HasSubstr("a task asks for 1048576 TiB of memory, and no node of the job has more than "),
                    HasSubstr("iB")));
  EXPECT_THAT(thrown<std::invalid_argument>([&] { executor.submit({.memory = 0}, hang, 1); }),
              HasSubstr("memory must be greater than 0"));
  EXPECT_THAT(thrown<std::invalid_argument>([&] { executor.map({.memory = 0}, hang, std::vector{1}); }),
              HasSubstr("memory must be greater than 0"));
}

}  // namespace
