#include "support/sanitized.hpp"

#include <rankpool/detail/bytes.hpp>

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstdint>
#include <fstream>
#include <thread>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  statm >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
void fill(Bytes& bytes, std::size_t size) { std::memset(bytes.grow_by(size), 7, size); }
/// Sizes on both sides of those at which memory comes from elsewhere.
const std::vector<std::size_t> kSizes{1,        1000,         kLargeRun - 1, kLargeRun,    kLargeRun + 1, kMiB,
                                      3 * kMiB, 4 * kMiB - 1, 4 * kMiB,      5 * kMiB + 9, 40 * kMiB};

TEST(Runs, bytes_keep_their_content_while_they_grow_from_any_size_to_any) {
  for (const std::size_t from : kSizes) {
    for (const std::size_t to : kSizes) {
      if (to <= from) continue;
      Bytes bytes(from);
      for (std::size_t at = 0; at < from; at += 997) bytes.data()[at] = static_cast<std::byte>(at);
      bytes.grow_by(to - from);
      bytes.data()[to - 1] = std::byte{1};
      EXPECT_GE(bytes.capacity(), to);
      for (std::size_t at = 0; at < from && at != to - 1; at += 997) {
        ASSERT_EQ(bytes.data()[at], static_cast<std::byte>(at)) << from << " to " << to;
      }
    }
  }
}

TEST(Runs, bytes_that_shrink_keep_their_content_and_give_memory_back) {
  for (const std::size_t from : kSizes) {
    for (const std::size_t to : kSizes) {
      if (to >= from) continue;
      Bytes bytes(from);
      for (std::size_t at = 0; at < to; at += 997) bytes.data()[at] = static_cast<std::byte>(at);
      bytes.truncate(to);
      bytes.shrink_to_fit();
      EXPECT_LE(bytes.capacity(), to + to / 4 + kLargeRun) << from << " to " << to;
      for (std::size_t at = 0; at < to; at += 997) ASSERT_EQ(bytes.data()[at], static_cast<std::byte>(at));
    }
  }
}

TEST(Runs, a_size_that_comes_again_and_again_gets_the_same_memory) {
  constexpr std::size_t size = 3 * kMiB;
  for (int i = 0; i < 2; ++i) Bytes{size};
  const std::byte* const kept = Bytes(size).data();
  EXPECT_EQ(Bytes(size).data(), kept);
  EXPECT_EQ(Bytes(size - 1000).data(), kept);
}

TEST(Runs, what_is_kept_has_a_bound) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer keeps what was freed";
  const std::size_t before = resident_bytes();
  for (int round = 0; round < 4; ++round) {
    std::vector<Bytes> many(200);
    for (auto& bytes : many) fill(bytes, kMiB);
    Bytes huge;
    fill(huge, 100 * kMiB);
  }
  EXPECT_LT(resident_bytes(), before + 48 * kMiB);
}

TEST(Runs, small_ones_do_not_take_what_is_kept_for_large_ones) {
  for (int i = 0; i < 3; ++i) Bytes{8 * kMiB};
  EXPECT_LT(Bytes(kLargeRun).capacity(), kMiB);
}

TEST(Runs, may_be_taken_and_given_back_by_many_threads) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (std::size_t i = 0; i < 300; ++i) {
        Bytes bytes(kLargeRun + (i * 7919 + t) % kMiB);
        bytes.data()[0] = bytes.data()[bytes.size() - 1] = static_cast<std::byte>(t);
        Bytes moved(std::move(bytes));
        moved.grow_by(i * 100);
        EXPECT_EQ(moved.data()[0], static_cast<std::byte>(t));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(Runs, more_than_there_can_be_is_refused_and_nothing_is_lost) {
  Bytes bytes(kMiB);
  bytes.data()[5] = std::byte{5};
  EXPECT_THROW(bytes.reserve_more(SIZE_MAX / 4), std::bad_alloc);
  EXPECT_THROW(bytes.reserve_more(SIZE_MAX - 10), std::bad_alloc);
  EXPECT_EQ(bytes.size(), kMiB);
  EXPECT_EQ(bytes.data()[5], std::byte{5});
}

TEST(Runs, huge_pages_may_be_wished_for_anywhere) {
  advise_huge(nullptr, 0);
  std::vector<char> memory(9 * kMiB, 'x');
  advise_huge(memory.data() + 1, memory.size() - 1);
  EXPECT_EQ(memory.front(), 'x');
  EXPECT_EQ(memory.back(), 'x');
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
