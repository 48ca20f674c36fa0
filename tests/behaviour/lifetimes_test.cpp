#include "support.hpp"

#include <fcntl.h>

#include <map>
#include <set>

namespace {

class Initializing : public Behaviour {};
class WorkerLife : public Behaviour {};
class ShuttingDown : public Behaviour {};
class Stopping : public Behaviour {};

int configuration = 0;
int initialized = 0;
void configure(int value) {
  configuration = value;
  ++initialized;
}
void mark_start(std::string gate) { leave_mark(gate); }
int read_configuration() { return configuration; }
int count_initialized() { return initialized; }
void fail_to_start(std::string why) { throw std::runtime_error(why); }
void fail_in_one(std::string gate) {
  // The first one to come fails.
  const int file = ::open((gate + "/first").c_str(), O_CREAT | O_EXCL, 0600);
  if (file >= 0) throw std::runtime_error("the first one");
}

TEST_F(Initializing, it_runs_once_in_every_worker_before_its_first_task) {  // INI-01, INI-02, INI-05, SUB-16
  Gate gate;
  {
    ProcessPoolExecutor executor({.max_workers = 2, .initializer = rankpool::partial(configure, 7)});
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(executor.submit(read_configuration).result(), 7);
      EXPECT_EQ(executor.submit(count_initialized).result(), 1);
    }
    ProcessPoolExecutor unused({.max_workers = 3, .initializer = rankpool::partial(mark_start, gate.name())});
    unused.bootup();
    EXPECT_EQ(gate.marks(), 3U);
  }
  EXPECT_EQ(gate.marks(), 3U);
  ProcessPoolExecutor plain(2);
  EXPECT_EQ(plain.submit(read_configuration).result(), 0);  // INI-03
}

TEST_F(Initializing, its_failure_breaks_the_pool_with_its_text) {  // INI-07, INI-08, INI-10, INI-13, COM-09
  for (int round = 0; round < 2; ++round) {
    ProcessPoolExecutor executor({.max_workers = 2, .initializer = rankpool::partial(fail_to_start, "no licence")});
    try {
      const auto future = executor.submit(square, 2);
      EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { future.result(kLong); }),
                  ::testing::HasSubstr("no licence"));
    } catch (const rankpool::BrokenProcessPool&) {
    }
    EXPECT_THROW(executor.bootup(), rankpool::BrokenProcessPool);
    EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { executor.submit(square, 2); }),
                ::testing::HasSubstr("no licence"));
    EXPECT_EQ(executor.num_workers(), 0);
  }
  ProcessPoolExecutor fine(2);
  EXPECT_EQ(fine.submit(square, 2).result(), 4);
}

TEST_F(Initializing, a_failure_in_one_worker_is_enough) {  // INI-14
  Gate gate;
  ProcessPoolExecutor executor({.max_workers = 3, .initializer = rankpool::partial(fail_in_one, gate.name())});
  std::vector<Future<int>> futures;
  try {
    for (int i = 0; i < 10; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  } catch (const rankpool::BrokenProcessPool&) {
  }
  for (const auto& future : futures) EXPECT_THROW(future.result(kLong), rankpool::BrokenProcessPool);
}

TEST_F(Initializing, bootup_throws_whenever_one_worker_fails_though_others_are_ready) {
  for (int round = 0; round < 25; ++round) {
    Gate gate;
    ProcessPoolExecutor executor({.max_workers = 3, .initializer = rankpool::partial(fail_in_one, gate.name())});
    EXPECT_THAT(thrown<rankpool::BrokenProcessPool>([&] { executor.bootup(); }), ::testing::HasSubstr("the first one"));
  }
}

TEST_F(Initializing, a_failing_pool_can_be_dropped_at_any_time) {  // INI-09, INI-11, INI-12, COM-10
  for (int round = 0; round < 5; ++round) {
    ProcessPoolExecutor executor({.max_workers = 2, .initializer = rankpool::partial(fail_to_start, "no")});
    if (round % 2 == 0) executor.shutdown({.wait = false});
  }
}

TEST_F(WorkerLife, a_worker_is_replaced_after_so_many_tasks) {  // MTC-01
  ProcessPoolExecutor executor({.max_workers = 1, .max_tasks_per_child = 3});
  std::vector<pid_t> pids;
  for (int i = 0; i < 7; ++i) pids.push_back(executor.submit(own_pid).result());
  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_EQ(pids[0], pids[2]);
  EXPECT_NE(pids[2], pids[3]);
  EXPECT_EQ(pids[3], pids[5]);
  EXPECT_NE(pids[5], pids[6]);
}

TEST_F(WorkerLife, a_backlog_beyond_the_limit_is_worked_off) {  // MTC-03, MTC-04, MTC-05
  for (const auto& [workers, limit, tasks] : {std::tuple(1, 2, 6), std::tuple(2, 2, 8), std::tuple(3, 1, 6)}) {
    ProcessPoolExecutor executor({.max_workers = workers, .max_tasks_per_child = limit});
    std::vector<Future<pid_t>> futures;
    for (int i = 0; i < tasks; ++i) futures.push_back(executor.submit(own_pid));
    executor.shutdown();
    std::map<pid_t, int> uses;
    for (const auto& future : futures) ++uses[future.result()];
    for (const auto& [pid, count] : uses) EXPECT_LE(count, limit);
  }
}

TEST_F(WorkerLife, shutdown_without_wait_strands_nothing) {  // MTC-06, MTC-14
  Gate gate;
  ProcessPoolExecutor executor({.max_workers = 1, .max_tasks_per_child = 1});
  const auto first = executor.submit(pass_gate, gate.name(), 1);
  const auto second = executor.submit(square, 2);
  const auto third = executor.submit(fail_with, 3);
  const auto fourth = executor.submit(square, 4);
  ASSERT_TRUE(gate.await_marks(1));
  executor.shutdown({.wait = false});
  gate.open();
  EXPECT_EQ(first.result(kLong), 1);
  EXPECT_EQ(second.result(kLong), 4);
  EXPECT_THROW(third.result(kLong), std::runtime_error);
  EXPECT_EQ(fourth.result(kLong), 16);
}

TEST_F(WorkerLife, an_executor_that_goes_while_its_worker_is_at_its_last_task_strands_nothing) {  // MTC-07, MTC-08
  const Gate gate;
  std::vector<Future<int>> futures;
  {
    ProcessPoolExecutor executor({.max_workers = 1, .max_tasks_per_child = 1});
    for (int i = 0; i < 3; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
    ASSERT_TRUE(gate.await_marks(1));
    executor.shutdown({.wait = false});
    gate.open();
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(0s), i);
}

TEST_F(WorkerLife, a_chunk_counts_as_one) {  // MTC-13
  ProcessPoolExecutor executor({.max_workers = 1, .max_tasks_per_child = 2});
  const auto pids = executor
                        .map(
                            {.chunksize = 2}, [](int) { return ::getpid(); }, std::vector<int>(8))
                        .to_vector();
  EXPECT_EQ(std::set<pid_t>(pids.begin(), pids.end()).size(), 2U);
  EXPECT_EQ(pids[0], pids[3]);
  EXPECT_NE(pids[3], pids[4]);
}

TEST_F(WorkerLife, replacements_are_initialised) {  // INI-16, MTC-11
  ProcessPoolExecutor executor(
      {.max_workers = 3, .initializer = rankpool::partial(configure, 9), .max_tasks_per_child = 10});
  const auto values = executor
                          .map(
                              {.chunksize = 1}, [](int) { return configuration; }, std::vector<int>(100))
                          .to_vector();
  EXPECT_THAT(values, ::testing::Each(9));
  EXPECT_EQ(executor.num_workers(), 3);
}

TEST_F(ShuttingDown, nothing_is_taken_any_more) {  // SHU-01, SHU-05
  ProcessPoolExecutor executor(1);
  executor.shutdown();
  EXPECT_EQ(thrown<rankpool::ShutdownError>([&] { executor.submit(square, 1); }),
            "cannot schedule new futures after shutdown");
  EXPECT_THROW(executor.map(square, {1, 2}), rankpool::ShutdownError);
}

TEST_F(ShuttingDown, what_was_submitted_is_finished) {  // SHU-02, SHU-06, SHU-11, SHU-14 to SHU-16
  ProcessPoolExecutor executor(2);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 50; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  executor.shutdown({.wait = false});
  EXPECT_THROW(executor.submit(square, 1), rankpool::ShutdownError);
  EXPECT_FALSE(futures.back().done());
  gate.open();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(kLong), i);
}

TEST_F(ShuttingDown, a_later_call_waits) {  // SHU-18
  ProcessPoolExecutor executor(2);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 10; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  executor.shutdown({.wait = false});
  gate.open();
  executor.shutdown();
  for (const auto& future : futures) EXPECT_TRUE(future.done());
}

TEST_F(ShuttingDown, it_can_cancel_what_has_not_begun) {  // SHU-07, SHU-19, SHU-20, SHU-23
  ProcessPoolExecutor executor(2);
  Gate gate;
  std::vector<Future<int>> futures;
  for (int i = 0; i < 50; ++i) futures.push_back(executor.submit(pass_gate, gate.name(), i));
  ASSERT_TRUE(gate.await_marks(2));
  executor.shutdown({.wait = false});
  EXPECT_FALSE(futures.back().cancelled());
  executor.shutdown({.wait = false, .cancel_futures = true});
  EXPECT_TRUE(Gate::until([&] { return futures.back().cancelled(); }));
  gate.open();
  executor.shutdown();
  int cancelled = 0;
  for (const auto& future : futures) {
    EXPECT_TRUE(future.done());
    cancelled += future.cancelled() ? 1 : 0;
  }
  EXPECT_GE(cancelled, 44);
  EXPECT_LE(cancelled, 48);
}

TEST_F(ShuttingDown, any_order_of_calls_is_harmless) {  // SHU-21, SHU-09, SHU-17, MAP-17
  for (int mask = 0; mask < 16; ++mask) {
    ProcessPoolExecutor executor(2);
    auto future = executor.submit(square, 2);
    if (mask % 2 == 0) future.cancel();
    executor.map(square, {1, 2, 3});
    for (int bit = 0; bit < 4; ++bit)
      executor.shutdown({.wait = (mask >> bit) % 2 == 1, .cancel_futures = (mask + bit) % 3 == 0});
  }
}

struct Unencodable {
  template <class Archive>
  void save(Archive&, unsigned) const {
    throw std::domain_error("not to be encoded");
  }
  template <class Archive>
  void load(Archive&, unsigned) {}
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

TEST_F(ShuttingDown, an_unencodable_argument_does_not_hold_it_up) {  // SHU-24 to SHU-26
  for (int i = 0; i < 5; ++i) {
    ProcessPoolExecutor executor(4);
    const auto bad = executor.submit([](const Unencodable&) {}, Unencodable{});
    const auto good = executor.submit(square, 3);
    executor.shutdown({.wait = i % 2 == 0});
    EXPECT_THROW(bad.result(kLong), std::domain_error);
    EXPECT_EQ(good.result(kLong), 9);
  }
}

TEST_F(ShuttingDown, a_crash_meanwhile_does_not_hold_it_up) {  // SHU-27, SHU-28, SHU-29
  ProcessPoolExecutor executor(1);
  const auto future = executor.submit([] {
    sleep_ms(100);
    return die_by(SIGSEGV);
  });
  executor.shutdown();
  EXPECT_THROW(future.result(0s), rankpool::BrokenProcessPool);
}

TEST_F(ShuttingDown, executors_may_come_and_go_while_others_work) {  // SHU-32
  ProcessPoolExecutor busy(1);
  Gate gate;
  const auto running = busy.submit(pass_gate, gate.name(), 1);
  for (int i = 0; i < 50; ++i) {
    ProcessPoolExecutor executor(1);
    EXPECT_EQ(executor.submit(square, i).result(), static_cast<long>(i) * i);
  }
  gate.open();
  EXPECT_EQ(running.result(), 1);
}

enum class How { terminate, kill };
class Forced : public ::testing::WithParamInterface<How>, public Stopping {
 protected:
  static void stop(ProcessPoolExecutor& executor) {
    if (GetParam() == How::terminate) {
      executor.terminate_workers();
    } else {
      executor.kill_workers();
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Stopping, Forced, ::testing::Values(How::terminate, How::kill),
                         [](const auto& which) { return which.param == How::terminate ? "terminate" : "kill"; });

TEST_P(Forced, running_tasks_are_broken_and_the_others_cancelled) {  // TKW-01, TKW-03, TKW-06, TKW-07, TKW-10
  Gate gate;
  Gate second_half;
  ProcessPoolExecutor executor(2);
  const auto task = [](std::string first, std::string second) {
    pass_gate(std::move(first), 0);
    leave_mark(second);
  };
  std::vector<Future<void>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back(executor.submit(task, gate.name(), second_half.name()));
  ASSERT_TRUE(gate.await_marks(2));
  const auto begin = std::chrono::steady_clock::now();
  stop(executor);
  EXPECT_THROW(executor.submit(square, 1), rankpool::ShutdownError);
  EXPECT_EQ(executor.num_workers(), 0);
  int broken = 0;
  int cancelled = 0;
  for (const auto& future : futures) {
    try {
      future.result(kLong);
      FAIL();
    } catch (const rankpool::BrokenProcessPool& e) {
      EXPECT_THAT(e.what(), ::testing::HasSubstr("forcefully shut down"));
      ++broken;
    } catch (const rankpool::CancelledError&) {
      ++cancelled;
    }
  }
  EXPECT_GE(broken, 2);
  EXPECT_LE(broken, 6);
  EXPECT_EQ(broken + cancelled, 100);
  executor.shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  gate.open();
  EXPECT_EQ(second_half.marks(), 0U);
}

TEST_P(Forced, it_may_come_before_any_worker_and_after_a_break) {  // TKW-04, TKW-05
  {
    ProcessPoolExecutor executor(2);
    stop(executor);
    stop(executor);
  }
  ProcessPoolExecutor broken(1);
  EXPECT_THROW(broken.submit(leave_with, 1).result(), rankpool::BrokenProcessPool);
  EXPECT_NO_THROW(stop(broken));
}

TEST_F(Stopping, a_task_that_blocks_SIGTERM_ends_all_the_same) {
  Gate gate;
  ProcessPoolExecutor executor(1);
  const auto future = executor.submit(
      [](std::string name) {
        ::signal(SIGTERM, SIG_IGN);
        pass_gate(std::move(name), 0);
      },
      gate.name());
  ASSERT_TRUE(gate.await_marks(1));
  const auto begin = std::chrono::steady_clock::now();
  executor.terminate_workers();
  EXPECT_THROW(future.result(kLong), rankpool::BrokenProcessPool);
  executor.shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
}

}  // namespace
