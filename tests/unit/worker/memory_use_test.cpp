#include "worker/memory_use.hpp"

#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace rankpool::worker {
namespace {

using namespace std::chrono_literals;
using wire::MemoryHeader;

TEST(MemoryUse, is_read_from_the_status_of_a_process) {
  EXPECT_EQ(
      memory_in_status("Name:\tVmRSS: 9\nVmPeak:\t  900 kB\nVmHWM:\t     300 kB\nVmRSS:\t     200 kB\nThreads:\t1\n"),
      (MemoryHeader{200 * 1024, 300 * 1024}));
  EXPECT_EQ(memory_in_status("VmRSS: 200 kB\n"), (MemoryHeader{200 * 1024, 200 * 1024})) << "no peak is known";
  EXPECT_EQ(memory_in_status("VmRSS: 200 kB\nVmHWM: 100 kB\n"), (MemoryHeader{200 * 1024, 200 * 1024}));
  for (const char* const nothing :
       {"", "Name: x\n", "VmRSS:", "VmRSS: \n", "VmRSS: many kB\n", "VmRSS: 99999999999999999999 kB\n"}) {
    EXPECT_EQ(memory_in_status(nothing), std::nullopt) << nothing;
  }
}

TEST(MemoryUse, is_what_this_process_touches_and_its_peak_stays) {
  const auto before = memory_of_this_process();
  ASSERT_TRUE(before);
  constexpr std::size_t size = 50'000'000;
  {
    const std::vector<char> touched(size, 'x');
    EXPECT_GT(memory_of_this_process()->resident, before->resident + size * 9 / 10);
  }
  const auto after = memory_of_this_process();
  if (!kSanitized) {
    EXPECT_LT(after->resident, before->resident + size / 2);
  }
  EXPECT_GT(after->peak, before->resident + size * 9 / 10);
}

TEST(MemoryUse, is_told_to_who_asks_and_from_time_to_time) {
  MemoryUse memory;
  const MemoryUse::Clock::time_point begin{1s};
  EXPECT_FALSE(memory.is_due(begin));
  memory.begin(true);
  EXPECT_TRUE(memory.is_due(begin));
  EXPECT_FALSE(memory.is_due(begin + pace::kMemoryToldEvery - 1ns));
  memory.begin(true);
  EXPECT_FALSE(memory.is_due(begin + pace::kMemoryToldEvery - 1ns)) << "a chunk more is no reason";
  EXPECT_TRUE(memory.is_due(begin + pace::kMemoryToldEvery));
  memory.begin(false);
  EXPECT_FALSE(memory.is_due(begin + 1h));
}

}  // namespace
}  // namespace rankpool::worker
