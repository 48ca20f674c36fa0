#include "channel/lease.hpp"

#include "base/pace.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

namespace rankpool::channel {
namespace {

constexpr std::uint64_t kLock = 7;
using Given = Lease::Given;

class LeaseOfALock : public testing::Test {
 protected:
  static std::span<const std::byte> bytes(const long& value) { return std::as_bytes(std::span(&value, 1)); }
  static long number(std::span<const std::byte> value) {
    long number = 0;
    EXPECT_EQ(value.size(), sizeof number);
    std::memcpy(&number, value.data(), sizeof number);
    return number;
  }
  Given give_back(Lease::Time lasted = {}) { return lease.give_back(lease.hold_of(kLock), {}, {}, lasted); }
  std::span<std::byte> home() { return std::as_writable_bytes(std::span(&at_home, 1)); }

  Lease lease;
  long at_home = 0;
};

TEST_F(LeaseOfALock, is_held_when_it_is_granted_and_can_be_taken_again_and_again) {
  EXPECT_FALSE(lease.take(kLock));
  lease.grant(kLock, bytes(5));
  EXPECT_EQ(number(lease.value()), 5);
  EXPECT_FALSE(lease.take(kLock));
  for (long value = 6; value < 10; ++value) {
    EXPECT_EQ(lease.give_back(lease.hold_of(kLock), bytes(value), {}, {}), Given::back);
    EXPECT_FALSE(lease.take(kLock + 1));
    ASSERT_TRUE(lease.take(kLock));
    EXPECT_EQ(number(lease.value()), value);
  }
}

TEST_F(LeaseOfALock, ends_when_rank_0_takes_it_back_while_it_is_free) {
  lease.grant(kLock, bytes(5));
  EXPECT_FALSE(lease.take_back(home()));
  EXPECT_FALSE(lease.read(home()));
  lease.give_back(lease.hold_of(kLock), bytes(6), {}, {});
  EXPECT_TRUE(lease.read(home()));
  EXPECT_EQ(at_home, 6);
  EXPECT_TRUE(lease.take(kLock));
  EXPECT_EQ(give_back(), Given::back);
  EXPECT_TRUE(lease.take_back(home()));
  EXPECT_FALSE(lease.take(kLock));
  EXPECT_FALSE(lease.read(home()));
}

TEST_F(LeaseOfALock, that_is_asked_back_is_not_taken_again_and_its_holder_tells) {
  lease.grant(kLock, {});
  lease.ask_back();
  EXPECT_EQ(give_back(), Given::to_be_told);
  EXPECT_FALSE(lease.take(kLock));
  EXPECT_TRUE(lease.take_back({}));
}

TEST_F(LeaseOfALock, that_somebody_waits_for_is_told_of_after_a_long_section_alone) {
  lease.grant(kLock, {});
  EXPECT_EQ(give_back(2 * pace::kLongSection), Given::back);
  lease.somebody_waits();
  EXPECT_TRUE(lease.take(kLock));
  EXPECT_EQ(give_back(pace::kLongSection), Given::back);
  EXPECT_TRUE(lease.take(kLock));
  EXPECT_EQ(give_back(2 * pace::kLongSection), Given::to_be_told);
}

TEST_F(LeaseOfALock, that_is_ended_while_it_is_held_leaves_the_value_as_it_was_when_it_was_taken) {
  lease.grant(kLock, bytes(5));
  const std::uint64_t hold = lease.hold_of(kLock);
  lease.end(home());
  EXPECT_EQ(at_home, 5);
  EXPECT_EQ(lease.give_back(hold, bytes(9), {}, {}), Given::ended);
  lease.grant(kLock, bytes(6));
  EXPECT_EQ(lease.give_back(hold, bytes(9), {}, {}), Given::ended);
  EXPECT_EQ(number(lease.value()), 6);
}

TEST_F(LeaseOfALock, loses_no_increment_however_often_it_is_taken_back) {
  constexpr long kTimes = 100'000;
  std::atomic<bool> wanted{true};
  std::jthread worker([&] {
    for (long done = 0; done < kTimes;) {
      if (!lease.take(kLock)) continue;
      const long next = number(lease.value()) + 1;
      lease.give_back(lease.hold_of(kLock), bytes(next), {}, {});
      ++done;
    }
    wanted = false;
  });
  lease.grant(kLock, bytes(0));
  lease.give_back(lease.hold_of(kLock), {}, {}, {});
  while (wanted) {
    if (!lease.take_back(home())) continue;
    lease.grant(kLock, home());
    lease.give_back(lease.hold_of(kLock), {}, {}, {});
  }
  worker.join();
  lease.end(home());
  EXPECT_EQ(at_home, kTimes);
}

TEST(Leases, can_hold_anything_and_copy_no_more_than_was_granted) {
  std::mt19937_64 random(4711);
  alignas(Lease) std::array<std::byte, sizeof(Lease)> memory;
  for (int round = 0; round < 2'000; ++round) {
    for (auto& byte : memory) byte = static_cast<std::byte>(random() % (round % 2 != 0 ? 256 : 4));
    auto& lease = *reinterpret_cast<Lease*>(memory.data());
    std::array<std::byte, 8> value{};
    (void)lease.read(value);
    (void)lease.take_back(value);
    lease.end(value);
    EXPECT_LE(lease.value().size(), Lease::kLargest);
    EXPECT_FALSE(lease.take(lease.hold_of(0)));
  }
}

}  // namespace
}  // namespace rankpool::channel
