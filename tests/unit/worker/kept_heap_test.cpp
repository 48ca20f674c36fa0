#include "worker/kept_heap.hpp"

#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#if !defined(RANKPOOL_TEST_SANITIZED)  // sanitizers have allocators of their own

namespace rankpool::worker {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

/// In a process of its own, whose allocator nobody else needs. True if `work` says so.
template <class Work>
bool in_process(Work&& work) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(work() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status == 0;
}
/// Pages that were new to this process since it began.
long new_pages() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}
/// How many a task needs that writes to blocks of these sizes and frees them.
long pages_for(const std::vector<std::size_t>& sizes) {
  const long before = new_pages();
  std::vector<std::unique_ptr<char[]>> blocks;
  for (const std::size_t size : sizes) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(size));
    std::memset(blocks.back().get(), 1, size);
    __asm__ volatile("" ::"r"(blocks.back().get()) : "memory");
  }
  return new_pages() - before;
}
std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
const std::vector<std::size_t> kTask{kMiB, 20 * kMiB, kMiB};

TEST(KeptHeap, what_was_freed_is_there_for_the_next_task) {
  EXPECT_TRUE(in_process([] { return pages_for(kTask) > 5000 && pages_for(kTask) > 5000; })) << "without it";
  EXPECT_TRUE(in_process([] {
    const KeptHeap heap;
    return pages_for(kTask) > 5000 && pages_for(kTask) < 100 && heap.has_grown();
  }));
}

TEST(KeptHeap, all_of_it_goes_back_on_demand) {
  EXPECT_TRUE(in_process([] {
    KeptHeap heap;
    const std::size_t before = resident_bytes();
    pages_for(kTask);
    const bool kept = resident_bytes() > before + 20 * kMiB;
    heap.give_back();
    return kept && resident_bytes() < before + 2 * kMiB && !heap.has_grown();
  }));
}

TEST(KeptHeap, goes_back_when_memory_is_short_and_is_looked_at_seldom) {
  EXPECT_TRUE(in_process([] {
    int looks = 0;
    bool is_short = false;
    KeptHeap heap([&] {
      ++looks;
      return is_short;
    });
    KeptHeap::Clock::time_point now{std::chrono::hours(1)};
    heap.chunk_ended(now);
    if (looks != 0) return false;  // nothing is kept
    pages_for(kTask);
    for (int i = 0; i < 100; ++i) heap.chunk_ended(now);
    if (looks != 1 || !heap.has_grown()) return false;
    is_short = true;
    heap.chunk_ended(now += KeptHeap::kLook);
    return looks == 2 && !heap.has_grown();
  }));
}

TEST(KeptHeap, is_bounded_where_a_small_block_lies_above_what_is_free) {
  EXPECT_TRUE(in_process([] {
    KeptHeap heap([] { return false; });
    std::unique_ptr<char[]> last;
    {
      std::vector<std::unique_ptr<char[]>> blocks;
      for (std::size_t i = 0; i < KeptHeap::kMostKept / kMiB + 10; ++i) {
        blocks.push_back(std::make_unique_for_overwrite<char[]>(kMiB));
        std::memset(blocks.back().get(), 1, kMiB);
      }
      last = std::make_unique<char[]>(1000);
    }
    const std::size_t kept = resident_bytes();
    heap.chunk_ended(KeptHeap::Clock::now());
    return kept > KeptHeap::kMostKept && resident_bytes() < 32 * kMiB;
  }));
}

TEST(KeptHeap, who_has_told_the_allocator_what_to_keep_has_it_so) {
  for (const auto* const setting :
       {"GLIBC_TUNABLES=glibc.malloc.trim_threshold=100000", "MALLOC_TRIM_THRESHOLD_=100000"}) {
    EXPECT_TRUE(in_process([&] {
      ::putenv(const_cast<char*>(setting));
      const KeptHeap heap;
      return pages_for(kTask) > 5000 && pages_for(kTask) > 5000 && !heap.has_grown();
    })) << setting;
  }
}

}  // namespace
}  // namespace rankpool::worker

#endif
