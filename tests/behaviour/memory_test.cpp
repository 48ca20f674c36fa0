// What becomes of the memory that tasks free in their workers, and that results take on rank 0.
#include "support.hpp"

#include <sys/resource.h>
#include <array>
#include <numeric>

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

/// Pages of a task that copies what it is given: new ones of its process, and the process.
struct Pages {
  long fresh = 0;
  pid_t pid = 0;
};
Pages copy_of(const std::vector<double>& values) {
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  const std::vector<double> copy(values);
  __asm__ volatile("" ::"r"(copy.data()) : "memory");
  ::getrusage(RUSAGE_SELF, &after);
  return {after.ru_minflt - before.ru_minflt, ::getpid()};
}
std::size_t resident_bytes_of(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(WorkerMemory, what_a_task_has_freed_is_there_for_the_next_one) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have an allocator of their own";
  ProcessPoolExecutor executor(1);
  const std::vector<double> values(8 * kMiB / sizeof(double), 1.5);
  long fresh = 0;
  for (int i = 0; i < 4; ++i) fresh = executor.submit(copy_of, values).result().fresh;
  EXPECT_LT(fresh, 100) << "of 2048";
}

TEST(WorkerMemory, what_is_kept_goes_back_when_the_worker_rests) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have an allocator of their own";
  ProcessPoolExecutor executor(1);
  const std::vector<double> values(50 * kMiB / sizeof(double), 1.5);
  const pid_t worker = executor.submit(copy_of, values).result().pid;
  EXPECT_TRUE(Gate::until([&] { return resident_bytes_of(worker) < 40 * kMiB; })) << resident_bytes_of(worker);
  EXPECT_EQ(executor.submit(copy_of, values).result().pid, worker);
}

struct Large {
  std::array<double, 2 * kMiB / sizeof(double)> values;
};
Large large(int number) {
  auto made = std::make_unique<Large>();
  made->values.fill(number);
  return *made;
}

// Results of fixed size that are as large as this stand in memory of their own.
TEST(WorkerMemory, large_results_of_a_map_are_whole_in_memory_that_is_used_again) {
  ProcessPoolExecutor executor(2);
  std::vector<int> numbers(30);
  std::iota(numbers.begin(), numbers.end(), 0);
  for (int round = 0; round < 3; ++round) {
    int next = 0;
    for (const Large& one : executor.map(large, numbers)) {
      ASSERT_EQ(one.values.front(), next);
      ASSERT_EQ(one.values.back(), next);
      ++next;
    }
    EXPECT_EQ(next, 30);
  }
}

}  // namespace
