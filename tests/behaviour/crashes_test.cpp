#include "support.hpp"

#include <sys/wait.h>
#include <future>
#include <numeric>
#include <ranges>

namespace {

class Crashes : public Behaviour {};
class Resources : public Behaviour {};

// -- the crash table: at which stage a worker ends, how, and what is said of it

enum class Stage { decoding_argument, task, encoding_result };
enum class Way { segfault, kill, abort, exit_0, exit_42, quick_exit_99, throw_in_thread };

struct CrashCase {
  Stage stage;
  Way way;
  const char* name;
  const char* told;
};
void PrintTo(const CrashCase& crash, std::ostream* to) { *to << crash.name; }

void end_by(Way way) {
  switch (way) {
    case Way::segfault:
      ::raise(SIGSEGV);
      break;
    case Way::kill:
      ::raise(SIGKILL);
      break;
    case Way::abort:
      ::signal(SIGABRT, SIG_DFL), ::raise(SIGABRT);
      break;
    case Way::exit_0:
      std::exit(0);
    case Way::exit_42:
      std::exit(42);
    case Way::quick_exit_99:
      ::_exit(99);
    case Way::throw_in_thread:
      std::thread([] { throw std::runtime_error("in a thread of the task"); }).join();
      break;
  }
}

struct Bomb {
  Stage stage = Stage::task;
  Way way = Way::segfault;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    if (rankpool::in_worker() && stage == Stage::encoding_result) end_by(way);
    archive << stage << way;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> stage >> way;
    if (rankpool::in_worker() && stage == Stage::decoding_argument) end_by(way);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};
Bomb carry(Bomb bomb) {
  if (bomb.stage == Stage::task) end_by(bomb.way);
  return bomb;
}

class CrashTable : public ::testing::WithParamInterface<CrashCase>, public Crashes {};
INSTANTIATE_TEST_SUITE_P(  // DLK-05 to DLK-09, DLK-12, DLK-14, EXC-15, EXC-16, BRK-01 to BRK-05, BRK-08, BRK-10
    Crashes, CrashTable,
    ::testing::Values(CrashCase{Stage::decoding_argument, Way::segfault, "decoding_segfault", "SIGSEGV"},
                      CrashCase{Stage::decoding_argument, Way::exit_0, "decoding_exit_0", "exit code 0"},
                      CrashCase{Stage::task, Way::segfault, "task_segfault", "SIGSEGV"},
                      CrashCase{Stage::task, Way::kill, "task_kill", "SIGKILL"},
                      CrashCase{Stage::task, Way::abort, "task_abort", "SIGABRT"},
                      CrashCase{Stage::task, Way::exit_0, "task_exit_0", "exit code 0"},
                      CrashCase{Stage::task, Way::exit_42, "task_exit_42", "exit code 42"},
                      CrashCase{Stage::task, Way::quick_exit_99, "task_exit_99", "exit code 99"},
                      CrashCase{Stage::task, Way::throw_in_thread, "task_throw_in_thread", "SIGABRT"},
                      CrashCase{Stage::encoding_result, Way::segfault, "encoding_segfault", "SIGSEGV"},
                      CrashCase{Stage::encoding_result, Way::exit_0, "encoding_exit_0", "exit code 0"}),
    [](const auto& which) { return which.param.name; });

TEST_P(CrashTable, the_pool_breaks_and_says_who_and_how) {
  const CrashCase& crash = GetParam();
  ProcessPoolExecutor executor(2);
  executor.bootup();
  Gate gate;
  const auto other = executor.submit(pass_gate, gate.name(), 1);
  ASSERT_TRUE(gate.await_marks(1));
  const auto begin = std::chrono::steady_clock::now();
  const auto future = executor.submit(carry, Bomb{crash.stage, crash.way});
  const std::string text = thrown<rankpool::TerminatedWorkerError>([&] { future.get_ref(kLong); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_THAT(text, ::testing::HasSubstr(crash.told));
  EXPECT_THAT(text, ::testing::ContainsRegex("worker [0-9]+ \\(rank [0-9]+ on .*, pid [0-9]+\\)"));
  EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { other.result(kLong); }), ::testing::HasSubstr(crash.told));
  EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { executor.submit(square, 1); }),
              ::testing::HasSubstr(crash.told));
  EXPECT_EQ(executor.num_workers(), 0);
  try {
    future.get_ref();
  } catch (const rankpool::BrokenProcessPool& e) {
    ASSERT_EQ(e.causes().size(), 1U);
    EXPECT_GE(e.causes()[0].worker, 0);
    EXPECT_GT(e.causes()[0].pid, 0);
    EXPECT_FALSE(e.causes()[0].host.empty());
    EXPECT_EQ(e.causes()[0].exit_code.has_value(), e.causes()[0].signal.empty());
  }
  executor.shutdown();
  ProcessPoolExecutor fresh(2);
  EXPECT_EQ(fresh.submit(square, 3).result(), 9);
}

TEST_P(CrashTable, with_replace_only_the_task_fails) {
  const CrashCase& crash = GetParam();
  ProcessPoolExecutor executor(
      {.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace, .max_retries = 1});
  std::vector<Future<long>> good;
  for (long i = 0; i < 20; ++i) good.push_back(executor.submit(square, i));
  const auto future = executor.submit(carry, Bomb{crash.stage, crash.way});
  for (long i = 20; i < 40; ++i) good.push_back(executor.submit(square, i));
  EXPECT_THAT(thrown<rankpool::TerminatedWorkerError>([&] { future.get_ref(kLong); }),
              ::testing::HasSubstr(crash.told));
  for (long i = 0; i < 40; ++i) EXPECT_EQ(good[static_cast<std::size_t>(i)].result(kLong), i * i);
  executor.bootup();
  EXPECT_EQ(executor.num_workers(), 2);
}

TEST_P(CrashTable, a_Pool_loses_only_the_task_and_is_back_at_full_strength) {  // ASY-14
  const CrashCase& crash = GetParam();
  rankpool::Pool pool(2);
  std::vector<long> items(40);
  std::iota(items.begin(), items.end(), 0L);
  const auto before = pool.map_async(square, items, 1);
  const auto lost = pool.apply_async(carry, std::tuple(Bomb{crash.stage, crash.way}));
  const auto after = pool.map_async(square, items, 1);
  EXPECT_THAT(thrown<rankpool::TerminatedWorkerError>([&] { lost.get(kLong); }), ::testing::HasSubstr(crash.told));
  EXPECT_EQ(before.get(kLong).size(), 40U);
  EXPECT_EQ(after.get(kLong).back(), 39 * 39);
  Gate gate;
  const auto first = pool.apply_async(pass_gate, std::tuple(gate.name(), 1));
  const auto second = pool.apply_async(pass_gate, std::tuple(gate.name(), 2));
  EXPECT_TRUE(gate.await_marks(2));
  gate.open();
  EXPECT_EQ(first.get(kLong) + second.get(kLong), 3);
}

TEST_P(CrashTable, submitted_from_a_callback_it_ends_the_same_way) {  // CB-13
  const CrashCase& crash = GetParam();
  ProcessPoolExecutor executor(2);
  std::promise<Future<Bomb>> submitted;
  executor.submit(square, 1).add_done_callback([&](const Future<long>&) {
    submitted.set_value(executor.submit(carry, Bomb{crash.stage, crash.way}));
  });
  const auto future = submitted.get_future().get();
  EXPECT_THAT(thrown<rankpool::TerminatedWorkerError>([&] { future.result(kLong); }), ::testing::HasSubstr(crash.told));
}

TEST_F(Crashes, a_worker_killed_while_idle_is_noticed) {  // DLK-23
  ProcessPoolExecutor executor(2);
  executor.bootup();
  const auto victim = workers_on_this_node().at(0);
  ::kill(victim, SIGKILL);
  EXPECT_TRUE(Gate::until([&] {
    try {
      executor.submit(square, 2).result();
      return false;
    } catch (const rankpool::BrokenProcessPool&) {
      return true;
    }
  }));
}

TEST_F(Crashes, a_death_is_told_within_100_ms) {
  ProcessPoolExecutor executor(1);
  Gate gate;
  const auto future = executor.submit(pass_gate, gate.name(), 1);
  ASSERT_TRUE(gate.await_marks(1));
  std::vector<double> times;
  const auto begin = std::chrono::steady_clock::now();
  ::kill(workers_on_this_node().at(0), SIGKILL);
  EXPECT_TRUE(future.exception(kLong));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 100ms);
}

/// Kills its process when it is destroyed after the task has run.
struct Mine {
  int value = 0;
  static inline bool armed = false;
  explicit Mine(int v = 0) : value(v) {}
  Mine(const Mine&) = default;
  Mine& operator=(const Mine&) = default;
  ~Mine() {
    if (armed) ::raise(SIGSEGV);
  }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
  }
};

TEST_F(Crashes, a_result_that_was_sent_is_delivered_though_its_worker_dies_after_it) {  // DLK-22
  ProcessPoolExecutor executor(1);
  const auto future = executor.submit(
      [](const Mine& mine) {
        Mine::armed = true;
        return mine.value;
      },
      Mine{2});
  EXPECT_EQ(future.result(kLong), 2);
  EXPECT_TRUE(Gate::until([&] {
    try {
      executor.submit(square, 2).result();
      return false;
    } catch (const rankpool::BrokenProcessPool&) {
      return true;
    }
  }));
}

TEST_F(Crashes, workers_that_die_under_large_data_do_not_hold_anything_up) {  // DLK-18
  ProcessPoolExecutor executor(2);
  const std::vector<std::string> big(10, std::string(4 << 20, 'x'));
  auto results = executor.map(
      {.chunksize = 1}, [](const std::string&) { return leave_with(1); }, big);
  EXPECT_THROW(results.next(kLong), rankpool::BrokenProcessPool);
  executor.shutdown();
}

/// Its bomb goes off when half of it has been decoded, and the rest is on its way.
struct LargeBomb {
  std::vector<char> before = std::vector<char>(8 << 20, 'b');
  Bomb bomb{Stage::decoding_argument, Way::kill};
  std::vector<char> after = std::vector<char>(8 << 20, 'a');
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& before& bomb& after;
  }
};

TEST_F(Crashes, in_the_middle_of_a_large_argument_only_that_task_is_lost) {  // DLK-18
  ProcessPoolExecutor executor(
      {.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace, .max_retries = 1});
  const std::vector<char> large(8 << 20, 'x');
  const auto echo = [](std::vector<char> bytes) { return bytes; };
  std::vector<Future<std::vector<char>>> good;
  for (int i = 0; i < 3; ++i) good.push_back(executor.submit(echo, large));
  const auto lost = executor.submit([](const LargeBomb&) {}, LargeBomb());
  for (int i = 0; i < 3; ++i) good.push_back(executor.submit(echo, large));
  EXPECT_THROW(lost.result(kLong), rankpool::TerminatedWorkerError);
  for (const auto& future : good) EXPECT_TRUE(future.get_ref(kLong) == large);
}

TEST_F(Crashes, workers_that_kill_each_other_end_in_errors_and_never_in_a_hang) {  // DLK-20
  for (const int count : {1, 2, 5}) {
    ProcessPoolExecutor executor(count);
    executor.bootup();
    const auto pids = workers_on_this_node();
    std::vector<Future<void>> futures;
    try {
      for (const pid_t pid : pids)
        futures.push_back(executor.submit(
            [](pid_t other) {
              ::kill(other, SIGKILL);
              sleep_ms(5000);
            },
            pid));
    } catch (const rankpool::BrokenProcessPool&) {
    }
    for (const auto& future : futures) EXPECT_THROW(future.result(kLong), rankpool::BrokenProcessPool);
  }
}

TEST_F(Crashes, cancelled_futures_stay_cancelled_when_the_pool_breaks) {  // BRK-06
  Gate gate;
  ProcessPoolExecutor executor(1);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 10; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(1));
  int cancelled = 0;
  for (auto& future : futures) cancelled += future.cancel() ? 1 : 0;
  EXPECT_GE(cancelled, 7);
  ::kill(workers_on_this_node().at(0), SIGKILL);
  int broken = 0;
  int still_cancelled = 0;
  for (const auto& future : futures) {
    try {
      future.result(kLong);
    } catch (const rankpool::BrokenProcessPool&) {
      ++broken;
    } catch (const rankpool::CancelledError&) {
      ++still_cancelled;
    }
  }
  EXPECT_EQ(still_cancelled, cancelled);
  EXPECT_EQ(broken, 10 - cancelled);
}

TEST_F(Crashes, a_task_past_its_timeout_is_ended_and_the_pool_goes_on) {
  ProcessPoolExecutor executor({.max_workers = 2, .task_timeout = 300ms});
  Gate gate;
  const auto stuck = executor.submit(pass_gate, gate.name(), 1);
  const auto good = executor.map({.chunksize = 5}, sleep_ms, std::vector<int>(20, 50));
  EXPECT_THAT(thrown<rankpool::TaskTimeoutError>([&] { stuck.result(kLong); }), ::testing::HasSubstr("task_timeout"));
  executor.bootup();
  EXPECT_EQ(executor.num_workers(), 2);
}

TEST_F(Crashes, a_task_that_kills_every_worker_hurts_no_other) {
  ProcessPoolExecutor executor(
      {.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace, .max_retries = 3});
  auto results = executor.map(
      {.chunksize = 7}, [](long x) { return x == 50 ? static_cast<long>(die_by(SIGKILL)) : x; },
      std::views::iota(0L, 100L));
  for (long i = 0; i < 100; ++i) {
    if (i == 50) {
      EXPECT_THROW(results.next(), rankpool::TerminatedWorkerError);
    } else {
      ASSERT_EQ(results.next(), i);
    }
  }
}

// -- nothing is held longer than it is needed

std::atomic<int> living{0};
struct Counted {
  Counted() { ++living; }
  Counted(const Counted&) { ++living; }
  Counted& operator=(const Counted&) = default;
  ~Counted() { --living; }
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
  }
  int value = 0;
};
Counted give_back(Counted value) { return value; }

TEST_F(Resources, nothing_of_an_argument_or_a_result_is_kept) {  // RES-01, RES-03 to RES-06, ASC-07
  ProcessPoolExecutor executor(2);
  {
    auto future = executor.submit(give_back, Counted());
    future.get_ref();
    EXPECT_EQ(living, 1);
  }
  EXPECT_TRUE(Gate::until([] { return living == 0; }));
  {
    auto results = executor.map(give_back, std::vector<Counted>(10));
    for (int i = 0; i < 10; ++i) results.next();
    EXPECT_EQ(living, 0);
  }
  { EXPECT_EQ(executor.map(give_back, std::vector<Counted>(10)).to_vector().size(), 10U); }
  EXPECT_TRUE(Gate::until([] { return living == 0; }));
  std::vector<Future<Counted>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(executor.submit(give_back, Counted()));
  auto completed = rankpool::as_completed(std::exchange(futures, {}));
  for (auto f : completed) {
    f.get_ref();
    EXPECT_TRUE(Gate::until([] { return living == 1; }));  // the engine lets go of it a moment after it has ended
  }
  EXPECT_TRUE(Gate::until([] { return living == 0; }));
}

TEST_F(Resources, arguments_are_destroyed_in_the_worker_when_the_task_has_ended) {  // RES-02
  ProcessPoolExecutor executor(1);
  executor.submit(give_back, Counted()).get_ref();
  EXPECT_EQ(executor.submit([] { return living.load(); }).result(), 0);
}

TEST_F(Resources, a_hundred_pools_leave_nothing) {  // RES-14, SHU-12
  for (int i = 0; i < 100; ++i) {
    ProcessPoolExecutor executor(2);
    EXPECT_EQ(executor.submit(square, 5).result(), 25);
  }
}

}  // namespace
