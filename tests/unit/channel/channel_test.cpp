#include "unit/keeper/kept.hpp"

#include <fcntl.h>
#include <thread>

namespace rankpool::channel {

using namespace keeper;  // NOLINT: what the test is written in
namespace {

constexpr std::size_t kRing = Channel::kRing;

TEST(Channels, WhatOneSideWritesTheOtherReads) {
  Channel host;
  Channel worker(::fcntl(host.fd(), F_DUPFD_CLOEXEC, 0));
  std::memcpy(host.in(0), "there", 6);
  std::memcpy(worker.out(0), "back", 5);
  host.control().in_tail.value = 6;
  EXPECT_STREQ(reinterpret_cast<const char*>(worker.in(0)), "there");
  EXPECT_STREQ(reinterpret_cast<const char*>(host.out(0)), "back");
  EXPECT_EQ(worker.control().in_tail.value, 6U);
}

TEST(Channels, WhatWrapsAroundIsContiguous) {
  Channel channel;
  for (std::size_t before_end = 1; before_end < 16; ++before_end) {
    const std::uint64_t position = 5 * kRing - before_end;
    std::memcpy(channel.in(position), "0123456789abcdef", 16);
    std::memcpy(channel.out(position), "fedcba9876543210", 16);
    EXPECT_EQ(std::memcmp(channel.in(0), &"0123456789abcdef"[before_end], 16 - before_end), 0);
    EXPECT_EQ(std::memcmp(channel.out(0), &"fedcba9876543210"[before_end], 16 - before_end), 0);
    EXPECT_EQ(std::memcmp(channel.in(position), "0123456789abcdef", 16), 0);
  }
}

TEST(Channels, RingsAndControlDoNotOverlap) {
  Channel channel;
  channel.control().bell = 0x01020304;
  std::memset(channel.in(0), 'i', kRing);
  std::memset(channel.out(0), 'o', kRing);
  EXPECT_EQ(channel.control().bell, 0x01020304U);
  EXPECT_TRUE(std::all_of(channel.in(0), channel.in(0) + kRing, [](std::byte b) { return b == std::byte{'i'}; }));
  EXPECT_TRUE(std::all_of(channel.out(0), channel.out(0) + kRing, [](std::byte b) { return b == std::byte{'o'}; }));
}

TEST(Channels, LeaveNoDescriptorAndNoMapping) {
  const auto mappings = [] {
    std::ifstream maps("/proc/self/maps");
    std::string line;
    int count = 0;
    while (std::getline(maps, line)) count += line.find("rankpool channel") != std::string::npos ? 1 : 0;
    return count;
  };
  const long before = descriptors_of(::getpid());
  for (int i = 0; i < 20; ++i) {
    Channel one;
    Channel moved(std::move(one));
    const Channel other(::fcntl(moved.fd(), F_DUPFD_CLOEXEC, 0));
    EXPECT_GT(mappings(), 1);
  }
  EXPECT_EQ(descriptors_of(::getpid()), before);
  EXPECT_EQ(mappings(), 0);
}

TEST(Channels, DescriptorThatIsNoMemoryIsRefused) {
  EXPECT_THROW(Channel(::open("/dev/null", O_RDONLY | O_CLOEXEC)), std::system_error);
  EXPECT_THROW(Channel(-1), std::system_error);
}

TEST(Channels, BellRungBeforeTheSleepIsNotSleptThrough) {
  Channel channel;
  const std::uint32_t seen = channel.control().bell;
  channel.ring_bell();
  channel.wait_for_bell(seen);
  EXPECT_EQ(channel.control().bell, seen + 1);
}

TEST(Channels, BellWakesWhoSleepsInTheOtherMapping) {
  Channel host;
  Channel worker(::fcntl(host.fd(), F_DUPFD_CLOEXEC, 0));
  const std::uint32_t seen = worker.control().bell;
  std::atomic<bool> woken{false};
  std::thread sleeper([&] {
    while (worker.control().bell == seen) worker.wait_for_bell(seen);
    woken = true;
  });
  host.ring_bell();
  EXPECT_TRUE(until([&] { return woken.load(); }));
  sleeper.join();
}

}  // namespace
}  // namespace rankpool::channel
