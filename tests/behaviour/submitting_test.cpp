#include "support.hpp"

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <variant>

namespace {

class Submitting : public Behaviour {};

double power(double base, int exponent) { return std::pow(base, exponent); }
std::string join(const std::string& a, std::string b) { return a + b; }
void nothing() {}

struct Plain {
  int a = 0;
  double b = 0;
  bool operator==(const Plain&) const = default;
};
struct Record {
  std::string name;
  std::map<std::string, int> counts;
  std::vector<Plain> parts;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& name& counts& parts;
  }
  bool operator==(const Record&) const = default;
};
Record grow(Record record) {
  record.name += "!";
  ++record.counts["calls"];
  record.parts.push_back({7, 0.5});
  return record;
}
struct Scale {
  double factor = 1;
  double operator()(double x) const { return factor * x; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& factor;
  }
};
template <class T>
T same(T value) {
  return value;
}
std::unique_ptr<Record> make_unique_record(std::string name) { return std::make_unique<Record>(Record{name, {}, {}}); }

TEST_F(Submitting, functions_lambdas_and_function_objects_run) {  // SUB-01, SUB-02
  ProcessPoolExecutor executor;
  EXPECT_EQ(executor.submit(power, 2, 8).result(), 256);
  EXPECT_EQ(executor.submit(&power, 2.0F, 'a' - 'a' + 3).result(), 8);
  EXPECT_EQ(executor.submit([](int x) { return x + 1; }, 41).result(), 42);
  EXPECT_EQ(executor.submit([](auto x) { return x + x; }, std::string("ab")).result(), "abab");
  EXPECT_EQ(executor.submit(Scale{2.5}, 4).result(), 10);
  EXPECT_EQ(executor.submit(rankpool::partial(power, 3.0), 2).result(), 9);
  EXPECT_EQ(executor.submit(rankpool::partial(join, "left ", "right")).result(), "left right");
  EXPECT_EQ(executor.submit(join, "a", "b").result(), "ab");
  executor.submit(nothing).result();
  rankpool::Function<void()> function = nothing;
  EXPECT_TRUE(static_cast<bool>(function));
  executor.submit(function).result();
}

TEST_F(Submitting, different_bound_values_do_not_collapse) {  // SUB-47
  ProcessPoolExecutor executor(1);
  const auto plus2 = executor.submit(rankpool::partial(add, 2L), 40L);
  const auto plus3 = executor.submit(rankpool::partial(add, 3L), 40L);
  EXPECT_EQ(plus2.result(), 42);
  EXPECT_EQ(plus3.result(), 43);
}

TEST_F(Submitting, values_of_many_types_go_there_and_back) {  // SUB-36
  ProcessPoolExecutor executor(2);
  const auto round = [&](auto value) { EXPECT_EQ(executor.submit(same<decltype(value)>, value).result(), value); };
  round(true);
  round('x');
  round(std::string("text"));
  round(Plain{3, 0.25});
  round(std::vector<double>{1, 2, 3});
  round(std::vector<bool>{true, false, true});
  round(std::vector<std::string>{"a", "", "c"});
  round(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  round(std::set<int>{3, 1});
  round(std::pair<int, std::string>{1, "one"});
  round(std::tuple<int, std::string, double>{1, "one", 1.0});
  round(std::optional<std::string>{"there"});
  round(std::optional<std::string>{});
  round(std::variant<int, std::string>{"text"});
  round(std::array<int, 3>{1, 2, 3});
  round(std::monostate{});
  round(std::vector<Plain>{{1, 1}, {2, 2}});
  const Record record{"r", {{"calls", 1}}, {{1, 2}}};
  EXPECT_EQ(executor.submit(grow, record).result(), (Record{"r!", {{"calls", 2}}, {{1, 2}, {7, 0.5}}}));
  EXPECT_EQ(*executor.submit(same<std::shared_ptr<Record>>, std::make_shared<Record>(record)).result(), record);
  const auto unique = executor.submit(make_unique_record, "u");
  EXPECT_EQ(unique.get_ref()->name, "u");
}

TEST_F(Submitting, large_values_go_there_and_back) {
  ProcessPoolExecutor executor(2);
  std::vector<double> big(8 << 20);
  for (std::size_t i = 0; i < big.size(); i += 1000) big[i] = static_cast<double>(i);
  const auto first = executor.submit(same<std::vector<double>>, big);
  const auto second = executor.submit(same<std::vector<double>>, big);
  EXPECT_EQ(first.get_ref(), big);
  EXPECT_EQ(second.get_ref(), big);
}

TEST_F(Submitting, numbers_that_make_no_sense_are_refused) {  // SUB-07, SUB-13, MTC-12, REU-07
  for (const int number : {0, -1}) {
    EXPECT_THAT(thrown<std::invalid_argument>([&] { ProcessPoolExecutor executor(number); }),
                ::testing::HasSubstr("must be greater than 0"));
    EXPECT_THROW(ProcessPoolExecutor({.max_workers = number}), std::invalid_argument);
    EXPECT_THROW(ProcessPoolExecutor({.max_tasks_per_child = number}), std::invalid_argument);
  }
  EXPECT_THROW(ProcessPoolExecutor({.max_retries = -1}), std::invalid_argument);
}

TEST_F(Submitting, the_number_of_workers_is_what_was_asked_for) {  // SUB-04, SUB-10, SUB-14, SUB-18, BRK-09
  int capacity = 0;
  for (const auto& rank : rankpool::ranks()) capacity += rank.workers;
  {
    ProcessPoolExecutor executor;
    EXPECT_EQ(executor.num_workers(), capacity);
  }
  ProcessPoolExecutor executor(3);
  executor.bootup();
  EXPECT_EQ(executor.num_workers(), 3);
  EXPECT_EQ(workers_on_this_node().size(), 3U);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 45; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(3));
  EXPECT_EQ(workers_on_this_node().size(), 3U);
  gate.open();
  for (int i = 0; i < 45; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(), i);
  executor.shutdown();
  EXPECT_EQ(executor.num_workers(), 0);
}

TEST_F(Submitting, all_workers_run_at_the_same_time) {  // SUB-38
  ProcessPoolExecutor executor(6);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 6; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  EXPECT_TRUE(gate.await_marks(6));
  gate.open();
}

TEST_F(Submitting, workers_are_spread_over_the_ranks) {
  ProcessPoolExecutor executor(static_cast<int>(rankpool::ranks().size()));
  Gate gate;
  std::vector<Future<int>> futures;
  std::set<int> seen;
  for (std::size_t i = 0; i < rankpool::ranks().size(); ++i) {
    futures.push_back(executor.submit(
        [](std::string name) {
          pass_gate(std::move(name), 0);
          return rankpool::this_worker().rank;
        },
        gate.name()));
  }
  ASSERT_TRUE(gate.await_marks(futures.size()));
  gate.open();
  for (const auto& future : futures) seen.insert(future.result());
  EXPECT_EQ(seen.size(), futures.size());
}

TEST_F(Submitting, bootup_waits_and_may_be_called_again) {  // SUB-28, SUB-29, SUB-30, SHU-22
  {
    ProcessPoolExecutor executor(2);
    executor.bootup();
    EXPECT_EQ(executor.num_workers(), 2);
    executor.bootup(false);
    executor.bootup(true);
    executor.shutdown();
    EXPECT_EQ(executor.num_workers(), 0);
    EXPECT_THROW(executor.bootup(), rankpool::ShutdownError);
    EXPECT_THROW(executor.bootup(false), rankpool::ShutdownError);
  }
  ProcessPoolExecutor executor(2);
  executor.bootup(false);
  executor.shutdown({.wait = false});
}

TEST_F(Submitting, several_executors_work_at_a_time) {  // SUB-23, SUB-24
  std::vector<std::unique_ptr<ProcessPoolExecutor>> executors;
  std::vector<std::vector<Future<long>>> futures(3);
  for (std::size_t e = 0; e < 3; ++e) {
    executors.push_back(std::make_unique<ProcessPoolExecutor>(2));
    for (long i = 0; i < 100; ++i) futures[e].push_back(executors[e]->submit(add, static_cast<long>(1000 * e), i));
  }
  for (std::size_t e = 3; e-- > 0;) {
    for (long i = 0; i < 100; ++i) {
      EXPECT_EQ(futures[e][static_cast<std::size_t>(i)].result(), static_cast<long>(1000 * e) + i);
    }
  }
}

TEST_F(Submitting, many_threads_share_one_executor) {  // SUB-31
  ProcessPoolExecutor executor(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&] {
      std::vector<long> items(40);
      for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<long>(i);
      for (int round = 0; round < 2; ++round) {
        long sum = 0;
        for (long x : executor.map(square, items)) sum += x;
        EXPECT_EQ(sum, 20540);
      }
      std::vector<Future<long>> futures;
      for (long i = 0; i < 20; ++i) futures.push_back(executor.submit(square, i));
      std::vector<bool> cancelled;
      for (std::size_t i = 0; i < futures.size(); ++i) cancelled.push_back(i % 2 == 0 && futures[i].cancel());
      for (long i = 0; i < 20; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (!cancelled[at]) {
          EXPECT_EQ(futures[at].result(kLong), i * i);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(Submitting, a_hundred_thousand_tiny_tasks_go_through) {  // NST-07, SUB-44
  ProcessPoolExecutor executor(2);
  std::vector<Future<long>> futures;
  for (long i = 0; i < 100'000; ++i) futures.push_back(executor.submit(square, i));
  for (long i = 0; i < 100'000; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].result(), i * i);
}

TEST_F(Submitting, a_worker_knows_itself_and_may_not_make_pools) {  // NST-01, NST-02, NST-03, SUB-17
  EXPECT_FALSE(rankpool::in_worker());
  EXPECT_THROW((void)rankpool::this_worker(), rankpool::Error);
  ProcessPoolExecutor executor(1);
  EXPECT_TRUE(executor.submit([] { return rankpool::in_worker(); }).result());
  EXPECT_EQ(executor.submit([] { return rankpool::this_worker().pid == ::getpid(); }).result(), true);
  const auto nested = executor.submit([] { ProcessPoolExecutor inner(1); });
  EXPECT_THAT(thrown<rankpool::Error>([&] { nested.result(); }),
              ::testing::HasSubstr("pools cannot be used inside a task"));
  EXPECT_THROW(executor.submit([] { return rankpool::ranks().size(); }).result(), rankpool::Error);
}

TEST_F(Submitting, standard_descriptors_of_a_worker_are_valid_and_stdin_is_empty) {  // SUB-40
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(executor
                .submit([] {
                  return std::system("cat; test -e /proc/self/fd/0 -a -e /proc/self/fd/1 -a -e /proc/self/fd/2");
                })
                .result(),
            0);
}

TEST_F(Submitting, what_a_task_leaves_running_ends_with_its_worker) {  // TKW-08
  Gate gate;
  pid_t left = 0;
  {
    ProcessPoolExecutor executor(1);
    left = executor
               .submit([] {
                 const pid_t child = ::fork();
                 if (child == 0) {
                   while (true) ::pause();
                 }
                 return child;
               })
               .result();
    EXPECT_EQ(::kill(left, 0), 0);
  }
  EXPECT_TRUE(Gate::until([&] { return ::kill(left, 0) != 0; }));
}

TEST_F(Submitting, the_ranks_are_told) {
  const auto ranks = rankpool::ranks();
  ASSERT_FALSE(ranks.empty());
  EXPECT_EQ(ranks[0].pid, ::getpid());
  for (const auto& rank : ranks) {
    EXPECT_TRUE(rank.alive);
    EXPECT_GE(rank.workers, 1);
    EXPECT_GT(rank.keeper_pid, 0);
    EXPECT_FALSE(rank.host.empty());
  }
}

}  // namespace
