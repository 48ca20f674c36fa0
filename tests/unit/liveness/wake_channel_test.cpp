#include "liveness/wake_channel.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <memory>
#include <thread>

namespace rankpool::liveness {
namespace {

constexpr Rank kFirst{1};

bool rung(int fd, int milliseconds = 0) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, milliseconds) == 1;
}

class WakeChannelTest : public testing::Test {
 protected:
  bool connect(std::uint64_t sent = 0) { return wakeups.connect(kFirst, ::getpid(), wakeup.pipe(), sent); }
  bool zero_sleeps(std::uint64_t received = 0) {
    return wakeups.prepare_sleep([&](Rank) { return received; });
  }

  WakeChannels wakeups{3};
  WakeChannel wakeup{kFirst, wakeups.place()};
};

TEST_F(WakeChannelTest, rings_both_ways_once_connected) {
  EXPECT_FALSE(wakeup.connected());
  ASSERT_TRUE(connect());
  EXPECT_TRUE(wakeup.connected());
  EXPECT_TRUE(wakeups.connected(kFirst));
  ASSERT_TRUE(wakeup.prepare_sleep(0));
  wakeups.sent(kFirst, 1);
  EXPECT_TRUE(rung(wakeup.fd()));
  ASSERT_TRUE(zero_sleeps());
  wakeup.sent(1);
  EXPECT_TRUE(rung(wakeups.fd()));
  wakeup.awake();
  wakeups.awake();
  EXPECT_FALSE(rung(wakeup.fd()) || rung(wakeups.fd()));
}

TEST_F(WakeChannelTest, rings_nobody_who_is_awake) {
  ASSERT_TRUE(connect());
  wakeups.sent(kFirst, 1);
  wakeup.sent(1);
  EXPECT_FALSE(rung(wakeup.fd()) || rung(wakeups.fd()));
  ASSERT_TRUE(wakeup.prepare_sleep(1));
  wakeup.awake();
  wakeups.sent(kFirst, 2);
  EXPECT_FALSE(rung(wakeup.fd()));
}

TEST_F(WakeChannelTest, rings_once_for_many_messages) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(wakeup.prepare_sleep(0));
  for (std::uint64_t i = 1; i <= 100'000; ++i) wakeups.sent(kFirst, i);  // a pipe holds 65,536 bytes
  wakeup.awake();
  EXPECT_FALSE(rung(wakeup.fd()));
}

TEST_F(WakeChannelTest, lets_nobody_sleep_while_a_message_is_under_way) {
  ASSERT_TRUE(connect(3));  // sent before it was connected
  EXPECT_FALSE(wakeup.prepare_sleep(2));
  EXPECT_TRUE(wakeup.prepare_sleep(3));
  wakeup.sent(2);
  EXPECT_FALSE(zero_sleeps(1));
  EXPECT_TRUE(zero_sleeps(2));
}

TEST_F(WakeChannelTest, counts_what_a_rank_sends_before_it_is_connected) {
  wakeup.sent(2);
  ASSERT_TRUE(connect());
  EXPECT_FALSE(zero_sleeps(1));
}

TEST_F(WakeChannelTest, knows_what_is_under_way) {
  ASSERT_TRUE(connect(1));
  std::uint64_t received = 0;
  const auto under_way = [&] { return wakeups.under_way([&](Rank) { return received; }); };
  EXPECT_TRUE(wakeup.under_way(0));
  EXPECT_FALSE(wakeup.under_way(1));
  EXPECT_FALSE(under_way());
  wakeup.sent(2);
  EXPECT_TRUE(under_way());
  received = 1;
  EXPECT_TRUE(under_way()) << "until all of it has come";
  received = 2;
  EXPECT_FALSE(under_way());
  EXPECT_FALSE(WakeChannels(0).under_way([](Rank) { return 0; }));
}

TEST_F(WakeChannelTest, waits_for_no_rank_that_is_disconnected) {
  ASSERT_TRUE(connect());
  wakeup.sent(5);
  wakeups.disconnect(kFirst);
  EXPECT_FALSE(wakeups.connected(kFirst));
  EXPECT_TRUE(zero_sleeps(0));
  wakeups.sent(kFirst, 1);  // nothing happens
}

TEST_F(WakeChannelTest, of_a_dead_rank_harms_nobody) {
  auto dying = std::make_unique<WakeChannel>(Rank{2}, wakeups.place());
  ASSERT_TRUE(wakeups.connect(Rank{2}, ::getpid(), dying->pipe(), 0));
  ASSERT_TRUE(dying->prepare_sleep(0));
  dying.reset();             // its pipe has no reader now
  wakeups.sent(Rank{2}, 1);  // no SIGPIPE
}

TEST_F(WakeChannelTest, is_not_taken_up_from_what_is_no_page_of_this_job) {
  const WakePlace good = wakeups.place();
  const auto pipe_of = [](const WakePlace& place) { return WakeChannel(kFirst, place).pipe(); };
  EXPECT_GE(pipe_of(good), 0);
  WakePlace bad = good;
  bad.number ^= 1U;
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.pid_space ^= 1U;
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.fd = wakeup.pipe();
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.pid = 1 << 30;
  EXPECT_EQ(pipe_of(bad), -1);
  EXPECT_EQ(pipe_of({}), -1);
  EXPECT_EQ(WakeChannel(Rank{3}, good).pipe(), -1) << "there are ranks 0 to 2";
}

TEST_F(WakeChannelTest, does_not_write_into_what_is_no_pipe) {
  const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_FALSE(wakeups.connect(kFirst, ::getpid(), file, 0));
  EXPECT_FALSE(wakeups.connect(kFirst, ::getpid(), -1, 0));
  EXPECT_FALSE(wakeups.connect(kFirst, 1 << 30, wakeup.pipe(), 0));
  EXPECT_FALSE(wakeup.connected());
  ::close(file);
}

TEST_F(WakeChannelTest, without_a_page_is_harmless) {
  WakeChannel none(kFirst, {});
  EXPECT_FALSE(none.connected());
  EXPECT_EQ(none.fd(), -1);
  none.sent(1);
  none.awake();
}

TEST_F(WakeChannelTest, is_found_by_another_process) {
  std::array<int, 2> report{};
  ASSERT_EQ(::pipe2(report.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    WakeChannel own(Rank{2}, wakeups.place());
    const int pipe = own.pipe();
    const bool ready = own.prepare_sleep(0) && ::write(report[1], &pipe, sizeof pipe) == sizeof pipe;
    ::_exit(ready && rung(own.fd(), 10'000) ? 0 : 1);
  }
  int pipe = -1;
  ASSERT_EQ(::read(report[0], &pipe, sizeof pipe), static_cast<ssize_t>(sizeof pipe));
  EXPECT_TRUE(wakeups.connect(Rank{2}, child, pipe, 0));
  wakeups.sent(Rank{2}, 1);
  int status = 1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : report) ::close(end);
}

// Two sides send each other messages in turn, and sleep, at the worst moments, until they are rung.
TEST_F(WakeChannelTest, no_message_is_slept_through) {
  ASSERT_TRUE(connect());
  constexpr std::uint64_t kRounds = 20'000;
  std::atomic<std::uint64_t> to_rank{0};
  std::atomic<std::uint64_t> to_zero{0};
  std::atomic<bool> slept_through{false};
  std::thread rank([&] {
    for (std::uint64_t i = 1; i <= kRounds && !slept_through; ++i) {
      while (to_rank.load() < i && !slept_through) {
        if (wakeup.prepare_sleep(i - 1) && !rung(wakeup.fd(), 10'000)) slept_through = true;
        wakeup.awake();
      }
      to_zero.store(i);
      wakeup.sent(i);
    }
  });
  for (std::uint64_t i = 1; i <= kRounds && !slept_through; ++i) {
    to_rank.store(i);
    wakeups.sent(kFirst, i);
    while (to_zero.load() < i && !slept_through) {
      if (zero_sleeps(i - 1) && !rung(wakeups.fd(), 10'000)) slept_through = true;
      wakeups.awake();
    }
  }
  rank.join();
  EXPECT_FALSE(slept_through);
}

}  // namespace
}  // namespace rankpool::liveness
