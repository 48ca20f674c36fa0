// MpContext::spawn: workers that are fresh executions of the program.
#include "behaviour/support.hpp"

#include <csignal>
#include <iterator>
#include <set>
#include <utility>

extern std::string g_text_before_run;

namespace {

using rankpool::ExecutorOptions;
using rankpool::MpContext;
using rankpool::OnWorkerDeath;
using rankpool::Pool;
using rankpool::PoolOptions;

ExecutorOptions spawned(int workers = 2) {
  ExecutorOptions options;
  options.max_workers = workers;
  options.mp_context = MpContext::spawn;
  return options;
}

/// Whether this process was executed as a worker, not forked as one.
bool is_fresh() {
  std::ifstream file("/proc/self/environ", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  return all.find("RANKPOOL_SPAWNED=") != std::string::npos;
}
std::string text_before_run() { return g_text_before_run; }
std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
std::string working_directory() { return std::filesystem::current_path(); }
std::string variable(const std::string& name) {
  const char* const text = std::getenv(name.c_str());
  return text == nullptr ? "" : text;
}
int die(int signal) { return std::raise(signal); }
int g_initialized = 0;
void initialize(int value) { g_initialized = value; }
int initialized() { return g_initialized; }
int process(int) { return ::getpid(); }

using Spawn = Behaviour;

TEST_F(Spawn, a_worker_is_a_fresh_execution_whose_main_ran_up_to_run) {
  ProcessPoolExecutor executor(spawned());
  EXPECT_TRUE(executor.submit(is_fresh).result(kLong));
  EXPECT_EQ(executor.submit(text_before_run).result(kLong), "set before run()");
  EXPECT_EQ(executor.submit(command_line).result(kLong), command_line());
  EXPECT_EQ(executor.submit(working_directory).result(kLong), "/");
  EXPECT_EQ(executor.submit(variable, "RANKPOOL_SPAWNED").result(kLong), "");
  EXPECT_EQ(executor.submit(variable, "OMPI_COMM_WORLD_RANK").result(kLong), "");
  ProcessPoolExecutor forked(1);
  EXPECT_FALSE(forked.submit(is_fresh).result(kLong));
}

TEST_F(Spawn, a_variable_that_main_sets_afterwards_is_not_there) {
  ::setenv("SET_IN_THE_PROGRAM", "1", 1);
  ProcessPoolExecutor executor(spawned(1));
  EXPECT_EQ(executor.submit(variable, "SET_IN_THE_PROGRAM").result(kLong), "");
  ::unsetenv("SET_IN_THE_PROGRAM");
}

TEST_F(Spawn, maps_large_values_and_exceptions_are_as_everywhere) {
  ProcessPoolExecutor executor(spawned());
  std::vector<long> numbers(1000);
  for (long i = 0; i < 1000; ++i) numbers[static_cast<std::size_t>(i)] = i;
  long next = 0;
  for (const long result : executor.map(square, numbers)) {
    EXPECT_EQ(result, next * next);
    ++next;
  }
  EXPECT_EQ(next, 1000);
  const std::vector<double> large(std::size_t{1} << 20U, 1.5);
  EXPECT_EQ(executor.submit([](std::vector<double> x) { return x; }, large).result(kLong), large);
  EXPECT_THROW(executor.submit([]() -> int { throw std::domain_error("in a task"); }).result(kLong), std::domain_error);
}

TEST_F(Spawn, shared_objects_reach_it) {
  ProcessPoolExecutor executor(spawned());
  rankpool::Value<long> total(0);
  const auto table = rankpool::broadcast(std::vector<long>{10, 20, 30});
  const auto add = [](rankpool::Value<long> sum, rankpool::Broadcast<std::vector<long>> from, int which) {
    sum.fetch_add((*from)[static_cast<std::size_t>(which)]);
  };
  std::vector<Future<void>> futures;
  for (int i = 0; i < 3; ++i) futures.push_back(executor.submit(add, total, table, i));
  for (auto& future : futures) future.result(kLong);
  EXPECT_EQ(total.get(), 60);
}

TEST_F(Spawn, an_initializer_runs_in_each) {
  auto options = spawned();
  options.initializer = rankpool::partial(initialize, 42);
  ProcessPoolExecutor executor(std::move(options));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(executor.submit(initialized).result(kLong), 42);
}

TEST_F(Spawn, a_crash_breaks_the_executor_and_says_how) {
  ProcessPoolExecutor executor(spawned());
  auto lost = executor.submit(die, SIGSEGV);
  const std::string text = thrown<rankpool::TerminatedWorkerError>([&] { lost.result(kLong); });
  EXPECT_THAT(text, ::testing::HasSubstr("ended by SIGSEGV"));
}

TEST_F(Spawn, a_worker_that_died_is_replaced_by_another_fresh_execution) {
  auto options = spawned();
  options.on_worker_death = OnWorkerDeath::replace;
  ProcessPoolExecutor executor(std::move(options));
  EXPECT_THROW(executor.submit(die, SIGKILL).result(kLong), rankpool::TerminatedWorkerError);
  EXPECT_TRUE(executor.submit(is_fresh).result(kLong));
}

TEST_F(Spawn, a_task_that_runs_too_long_ends_with_its_worker) {
  auto options = spawned(1);
  options.task_timeout = 200ms;
  ProcessPoolExecutor executor(std::move(options));
  EXPECT_THROW(executor.submit([] { std::this_thread::sleep_for(60s); }).result(kLong), rankpool::TaskTimeoutError);
  EXPECT_TRUE(executor.submit(is_fresh).result(kLong));
}

TEST_F(Spawn, workers_are_replaced_after_so_many_tasks) {
  auto options = spawned(1);
  options.max_tasks_per_child = 2;
  ProcessPoolExecutor executor(std::move(options));
  std::set<int> processes;
  for (int i = 0; i < 4; ++i) processes.insert(executor.submit(process, i).result(kLong));
  EXPECT_EQ(processes.size(), 2U);
}

TEST_F(Spawn, terminating_ends_them) {
  ProcessPoolExecutor executor(spawned());
  auto future = executor.submit([] { std::this_thread::sleep_for(60s); });
  EXPECT_TRUE(Gate::until([&] { return future.running(); }));
  executor.terminate_workers();
  EXPECT_THROW(future.result(kLong), rankpool::BrokenProcessPool);
}

TEST_F(Spawn, a_Pool_has_them_too) {
  PoolOptions options;
  options.processes = 2;
  options.mp_context = MpContext::spawn;
  Pool pool(std::move(options));
  EXPECT_TRUE(pool.apply(is_fresh));
  EXPECT_EQ(pool.map(square, std::vector<long>{1, 2, 3}), (std::vector<long>{1, 4, 9}));
}

TEST_F(Spawn, what_a_task_starts_of_the_same_program_is_no_worker) {
  ProcessPoolExecutor executor(spawned(1));
  const auto run_again = [](const std::string& program) {
    return std::system((program + " --gtest_filter=NoSuchTest >/dev/null 2>&1").c_str());
  };
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  EXPECT_EQ(executor.submit(run_again, program).result(kLong), 0);
}

TEST_F(Spawn, in_rank_is_for_CommExecutor) {
  ExecutorOptions options;
  options.mp_context = MpContext::in_rank;
  EXPECT_THAT(thrown<rankpool::Error>([&] { const ProcessPoolExecutor executor(options); }),
              ::testing::HasSubstr("CommExecutor"));
}

}  // namespace
