#include "liveness/door_bell.hpp"

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

class DoorBellTest : public testing::Test {
 protected:
  bool connect(std::uint64_t sent = 0) { return bells.connect(kFirst, ::getpid(), bell.pipe(), sent); }
  bool zero_sleeps(std::uint64_t received = 0) {
    return bells.prepare_sleep([&](Rank) { return received; });
  }

  DoorBells bells{3};
  DoorBell bell{kFirst, bells.place()};
};

TEST_F(DoorBellTest, RingsBothWaysOnceConnected) {
  EXPECT_FALSE(bell.connected());
  ASSERT_TRUE(connect());
  EXPECT_TRUE(bell.connected());
  EXPECT_TRUE(bells.connected(kFirst));
  ASSERT_TRUE(bell.prepare_sleep(0));
  bells.sent(kFirst, 1);
  EXPECT_TRUE(rung(bell.fd()));
  ASSERT_TRUE(zero_sleeps());
  bell.sent(1);
  EXPECT_TRUE(rung(bells.fd()));
  bell.awake();
  bells.awake();
  EXPECT_FALSE(rung(bell.fd()) || rung(bells.fd()));
}

TEST_F(DoorBellTest, RingsNobodyWhoIsAwake) {
  ASSERT_TRUE(connect());
  bells.sent(kFirst, 1);
  bell.sent(1);
  EXPECT_FALSE(rung(bell.fd()) || rung(bells.fd()));
  ASSERT_TRUE(bell.prepare_sleep(1));
  bell.awake();
  bells.sent(kFirst, 2);
  EXPECT_FALSE(rung(bell.fd()));
}

TEST_F(DoorBellTest, RingsOnceForManyMessages) {
  ASSERT_TRUE(connect());
  ASSERT_TRUE(bell.prepare_sleep(0));
  for (std::uint64_t i = 1; i <= 100'000; ++i) bells.sent(kFirst, i);  // a pipe holds 65,536 bytes
  bell.awake();
  EXPECT_FALSE(rung(bell.fd()));
}

TEST_F(DoorBellTest, LetsNobodySleepWhileAMessageIsUnderWay) {
  ASSERT_TRUE(connect(3));  // sent before it was connected
  EXPECT_FALSE(bell.prepare_sleep(2));
  EXPECT_TRUE(bell.prepare_sleep(3));
  bell.sent(2);
  EXPECT_FALSE(zero_sleeps(1));
  EXPECT_TRUE(zero_sleeps(2));
}

TEST_F(DoorBellTest, CountsWhatARankSendsBeforeItIsConnected) {
  bell.sent(2);
  ASSERT_TRUE(connect());
  EXPECT_FALSE(zero_sleeps(1));
}

TEST_F(DoorBellTest, KnowsWhatIsUnderWay) {
  ASSERT_TRUE(connect(1));
  std::uint64_t received = 0;
  const auto under_way = [&] { return bells.under_way([&](Rank) { return received; }); };
  EXPECT_TRUE(bell.under_way(0));
  EXPECT_FALSE(bell.under_way(1));
  EXPECT_FALSE(under_way());
  bell.sent(2);
  EXPECT_TRUE(under_way());
  received = 1;
  EXPECT_TRUE(under_way()) << "until all of it has come";
  received = 2;
  EXPECT_FALSE(under_way());
  EXPECT_FALSE(DoorBells(0).under_way([](Rank) { return 0; }));
}

TEST_F(DoorBellTest, WaitsForNoRankThatIsDisconnected) {
  ASSERT_TRUE(connect());
  bell.sent(5);
  bells.disconnect(kFirst);
  EXPECT_FALSE(bells.connected(kFirst));
  EXPECT_TRUE(zero_sleeps(0));
  bells.sent(kFirst, 1);  // nothing happens
}

TEST_F(DoorBellTest, OfADeadRankHarmsNobody) {
  auto dying = std::make_unique<DoorBell>(Rank{2}, bells.place());
  ASSERT_TRUE(bells.connect(Rank{2}, ::getpid(), dying->pipe(), 0));
  ASSERT_TRUE(dying->prepare_sleep(0));
  dying.reset();           // its pipe has no reader now
  bells.sent(Rank{2}, 1);  // no SIGPIPE
}

TEST_F(DoorBellTest, IsNotTakenUpFromWhatIsNoPageOfThisJob) {
  const BellPlace good = bells.place();
  const auto pipe_of = [](const BellPlace& place) { return DoorBell(kFirst, place).pipe(); };
  EXPECT_GE(pipe_of(good), 0);
  BellPlace bad = good;
  bad.number ^= 1U;
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.pid_space ^= 1U;
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.fd = bell.pipe();
  EXPECT_EQ(pipe_of(bad), -1);
  bad = good;
  bad.pid = 1 << 30;
  EXPECT_EQ(pipe_of(bad), -1);
  EXPECT_EQ(pipe_of({}), -1);
  EXPECT_EQ(DoorBell(Rank{3}, good).pipe(), -1) << "there are ranks 0 to 2";
}

TEST_F(DoorBellTest, DoesNotWriteIntoWhatIsNoPipe) {
  const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  EXPECT_FALSE(bells.connect(kFirst, ::getpid(), file, 0));
  EXPECT_FALSE(bells.connect(kFirst, ::getpid(), -1, 0));
  EXPECT_FALSE(bells.connect(kFirst, 1 << 30, bell.pipe(), 0));
  EXPECT_FALSE(bell.connected());
  ::close(file);
}

TEST_F(DoorBellTest, WithoutAPageIsHarmless) {
  DoorBell none(kFirst, {});
  EXPECT_FALSE(none.connected());
  EXPECT_EQ(none.fd(), -1);
  none.sent(1);
  none.awake();
}

TEST_F(DoorBellTest, IsFoundByAnotherProcess) {
  std::array<int, 2> report{};
  ASSERT_EQ(::pipe2(report.data(), O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    DoorBell own(Rank{2}, bells.place());
    const int pipe = own.pipe();
    const bool ready = own.prepare_sleep(0) && ::write(report[1], &pipe, sizeof pipe) == sizeof pipe;
    ::_exit(ready && rung(own.fd(), 10'000) ? 0 : 1);
  }
  int pipe = -1;
  ASSERT_EQ(::read(report[0], &pipe, sizeof pipe), static_cast<ssize_t>(sizeof pipe));
  EXPECT_TRUE(bells.connect(Rank{2}, child, pipe, 0));
  bells.sent(Rank{2}, 1);
  int status = 1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : report) ::close(end);
}

// Two sides send each other messages in turn, and sleep, at the worst moments, until they are rung.
TEST_F(DoorBellTest, NoMessageIsSleptThrough) {
  ASSERT_TRUE(connect());
  constexpr std::uint64_t kRounds = 20'000;
  std::atomic<std::uint64_t> to_rank{0};
  std::atomic<std::uint64_t> to_zero{0};
  std::atomic<bool> slept_through{false};
  std::thread rank([&] {
    for (std::uint64_t i = 1; i <= kRounds && !slept_through; ++i) {
      while (to_rank.load() < i && !slept_through) {
        if (bell.prepare_sleep(i - 1) && !rung(bell.fd(), 10'000)) slept_through = true;
        bell.awake();
      }
      to_zero.store(i);
      bell.sent(i);
    }
  });
  for (std::uint64_t i = 1; i <= kRounds && !slept_through; ++i) {
    to_rank.store(i);
    bells.sent(kFirst, i);
    while (to_zero.load() < i && !slept_through) {
      if (zero_sleeps(i - 1) && !rung(bells.fd(), 10'000)) slept_through = true;
      bells.awake();
    }
  }
  rank.join();
  EXPECT_FALSE(slept_through);
}

}  // namespace
}  // namespace rankpool::liveness
