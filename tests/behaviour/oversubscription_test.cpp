// Many pools, many workers, many threads.
#include "behaviour/support.hpp"

#include <sys/wait.h>
#include <numeric>
#include <random>

namespace {

class Oversubscribed : public Behaviour {};

void initialize_for(int milliseconds) { sleep_ms(milliseconds); }

TEST_F(Oversubscribed, two_thousand_tasks_through_sixteen_pools) {  // NST-06
  std::vector<std::unique_ptr<ProcessPoolExecutor>> pools;
  for (int i = 0; i < 16; ++i) pools.push_back(std::make_unique<ProcessPoolExecutor>(1));
  std::vector<Future<long>> futures;
  for (long i = 0; i < 2048; ++i) futures.push_back(pools[static_cast<std::size_t>(i) % 16]->submit(square, i));
  for (long i = 0; i < 2048; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(kLong), i * i);
}

TEST_F(Oversubscribed, far_more_workers_than_cores) {  // SUB-42, SUB-43
  rankpool::Pool pool(48);
  std::vector<long> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const auto squares = pool.map(square, numbers);
  EXPECT_EQ(std::accumulate(squares.begin(), squares.end(), 0L), 332833500);
}

TEST_F(Oversubscribed, threads_make_use_and_drop_pools_whose_initializers_take_their_time) {  // INI-04
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (unsigned thread = 0; thread < 5; ++thread) {
    threads.emplace_back([&right, thread] {
      std::mt19937 random(thread);
      for (int round = 0; round < 3; ++round) {
        const int milliseconds = static_cast<int>(random() % 30);
        ProcessPoolExecutor executor(
            {.max_workers = 2, .initializer = rankpool::partial(initialize_for, milliseconds)});
        right += executor.submit(square, 7).result(kLong) == 49 ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(right, 15);
}

TEST_F(Oversubscribed, a_plain_child_of_rank_0_is_its_own_affair) {  // SHU-33
  ProcessPoolExecutor executor(1);
  EXPECT_EQ(executor.submit(square, 3).result(kLong), 9);
  std::thread forks([] {
    const pid_t child = ::fork();
    if (child == 0) std::exit(0);  // runs the exit handlers, ours too
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    // A checker of leaks does not see in the child what the stacks of the other threads lead to.
    EXPECT_TRUE(kSanitized ? WIFEXITED(status) : status == 0) << status;
  });
  forks.join();
  EXPECT_EQ(executor.submit(square, 4).result(kLong), 16);
}

TEST_F(Oversubscribed, tasks_that_start_threads_do_not_freeze) {  // SUB-37, SUB-39
  const auto sum_in_threads = [](int number) {
    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < number; ++i) threads.emplace_back([&sum, i] { sum += i; });
    for (auto& thread : threads) thread.join();
    return sum.load();
  };
  std::thread([&] { EXPECT_EQ(sum_in_threads(8), 28); }).join();
  ProcessPoolExecutor executor(2);
  for (int result : executor.map(sum_in_threads, std::vector<int>(20, 8))) EXPECT_EQ(result, 28);
}

}  // namespace
