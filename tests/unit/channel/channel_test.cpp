#include "unit/keeper/kept.hpp"

#include <fcntl.h>
#include <thread>

namespace rankpool::channel {

using namespace keeper;  // NOLINT: what the test is written in
namespace {

constexpr std::size_t kRing = Channel::kRing;

TEST(Channels, what_one_side_writes_the_other_reads) {
  Channel host;
  Channel worker(::fcntl(host.fd(), F_DUPFD_CLOEXEC, 0));
  std::memcpy(host.in(0), "there", 6);
  std::memcpy(worker.out(0), "back", 5);
  host.control().in_tail.value = 6;
  EXPECT_STREQ(reinterpret_cast<const char*>(worker.in(0)), "there");
  EXPECT_STREQ(reinterpret_cast<const char*>(host.out(0)), "back");
  EXPECT_EQ(worker.control().in_tail.value, 6U);
}

TEST(Channels, what_wraps_around_is_contiguous) {
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

TEST(Channels, rings_and_control_do_not_overlap) {
  Channel channel;
  channel.control().wakeup = 0x01020304;
  std::memset(channel.in(0), 'i', kRing);
  std::memset(channel.out(0), 'o', kRing);
  EXPECT_EQ(channel.control().wakeup, 0x01020304U);
  EXPECT_TRUE(std::all_of(channel.in(0), channel.in(0) + kRing, [](std::byte b) { return b == std::byte{'i'}; }));
  EXPECT_TRUE(std::all_of(channel.out(0), channel.out(0) + kRing, [](std::byte b) { return b == std::byte{'o'}; }));
}

TEST(Channels, leave_no_descriptor_and_no_mapping) {
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

TEST(Channels, descriptor_that_is_no_memory_is_refused) {
  EXPECT_THROW(Channel(::open("/dev/null", O_RDONLY | O_CLOEXEC)), std::system_error);
  EXPECT_THROW(Channel(-1), std::system_error);
}

TEST(Channels, bell_rung_before_the_sleep_is_not_slept_through) {
  Channel channel;
  const std::uint32_t seen = channel.control().wakeup;
  channel.send_wakeup();
  channel.wait_for_wakeup(seen);
  EXPECT_EQ(channel.control().wakeup, seen + 1);
}

TEST(Channels, bell_wakes_who_sleeps_in_the_other_mapping) {
  Channel host;
  Channel worker(::fcntl(host.fd(), F_DUPFD_CLOEXEC, 0));
  const std::uint32_t seen = worker.control().wakeup;
  std::atomic<bool> woken{false};
  std::thread sleeper([&] {
    while (worker.control().wakeup == seen) worker.wait_for_wakeup(seen);
    woken = true;
  });
  host.send_wakeup();
  EXPECT_TRUE(until([&] { return woken.load(); }));
  sleeper.join();
}

}  // namespace
}  // namespace rankpool::channel
