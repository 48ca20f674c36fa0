#include "unit/liveness/lines.hpp"

#include <fcntl.h>
#include <sched.h>
#include <cstdlib>

// A node that goes silent: a cable that is cut between two network namespaces. They have no names: they are gone with
// the last descriptor that refers to them, however the test ends.
namespace rankpool::liveness {
namespace {

class Network {
 public:
  Network() : outside_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (::unshare(CLONE_NEWNET) != 0) return;
    inside_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    ::setns(outside_, CLONE_NEWNET);
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  ~Network() {
    if (inside_ >= 0) ::close(inside_);
    ::close(outside_);
  }
  [[nodiscard]] bool made() const { return inside_ >= 0; }
  /// To be named to `ip link set ... netns`.
  [[nodiscard]] std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(inside_);
  }
  template <class F>
  auto in(F&& f) const {
    ::setns(inside_, CLONE_NEWNET);
    struct Back {
      int fd;
      ~Back() { ::setns(fd, CLONE_NEWNET); }
    } const back{outside_};
    return f();
  }
  [[nodiscard]] bool run(const std::string& commands) const {
    return in([&] { return std::system(("{ " + commands + "; } 2>/dev/null").c_str()) == 0; });
  }

 private:
  int outside_ = -1;
  int inside_ = -1;
};

class CutCable : public testing::Test {
 protected:
  static constexpr std::chrono::milliseconds kLostAfter{2000};
  /// The kernel's timers go by the second.
  static constexpr std::chrono::milliseconds kSlack{1000};

  void SetUp() override {
    if (!here.made() || !there.made()) GTEST_SKIP() << "network namespaces need root";
    const bool cabled = here.run("ip link add rp0 type veth peer name rp1 && ip link set rp1 netns " + there.path() +
                                 " && ip addr add 10.99.0.1/24 dev rp0 && ip link set lo up && ip link set rp0 up") &&
                        there.run("ip addr add 10.99.0.2/24 dev rp1 && ip link set lo up && ip link set rp1 up");
    if (!cabled) GTEST_SKIP() << "no virtual cable can be made here (ip link add ... type veth)";
    server = here.in([] { return std::make_unique<LifelineServer>(2, LifelineOptions{kLostAfter, "rp0"}); });
    rank = there.in([&] {
      return std::make_unique<Lifeline>(Rank{1}, server->invitation(), LifelineOptions{kLostAfter, ""});
    });
    told(*server, Kind::joined);
  }
  template <class End>
  void expect_lost_in_time(End& end) {
    const auto since = Clock::now();
    const Events events = told(end, Kind::lost, 1, kLostAfter + 5s);
    EXPECT_GT(Clock::now() - since, 500ms);
    EXPECT_LT(Clock::now() - since, kLostAfter + kSlack);
  }

  Network here;
  Network there;
  std::unique_ptr<LifelineServer> server;
  std::unique_ptr<Lifeline> rank;
};

TEST_F(CutCable, silent_rank_is_lost_within_the_time) {
  ASSERT_TRUE(there.run("ip link set rp1 down"));
  const auto since = Clock::now();
  const Events events = told(*server, Kind::lost, 1, kLostAfter + 5s);
  EXPECT_LT(Clock::now() - since, kLostAfter + kSlack);
  EXPECT_EQ(events[0].rank, Rank{1});
  EXPECT_EQ(events[0].text, "no sign of life for 2 s");
}

TEST_F(CutCable, silent_rank_that_was_rung_is_lost_within_the_time) {
  ASSERT_TRUE(there.run("ip link set rp1 down"));
  server->ring(Rank{1});
  expect_lost_in_time(*server);
}

TEST_F(CutCable, cut_off_rank_notices_within_the_time) {
  ASSERT_TRUE(here.run("ip link set rp0 down"));
  expect_lost_in_time(*rank);
}

TEST_F(CutCable, cut_off_rank_that_rang_notices_within_the_time) {
  ASSERT_TRUE(here.run("ip link set rp0 down"));
  rank->ring();
  expect_lost_in_time(*rank);
}

TEST_F(CutCable, short_interruption_is_no_death) {
  ASSERT_TRUE(there.run("ip link set rp1 down && sleep 0.3 && ip link set rp1 up"));
  server->ring(Rank{1});
  EXPECT_EQ(count(told(*rank, Kind::ring), Kind::lost), 0);
  rank->ring();
  EXPECT_EQ(count(told(*server, Kind::ring), Kind::lost), 0);
}

TEST_F(CutCable, quiet_line_lives_on) {
  Events events;
  const auto until = Clock::now() + kLostAfter + kSlack;
  while (Clock::now() < until) {
    ::poll(nullptr, 0, 20);
    server->poll(events);
    rank->poll(events);
  }
  EXPECT_TRUE(events.empty());
}

}  // namespace
}  // namespace rankpool::liveness
