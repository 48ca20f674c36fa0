#include "unit/keeper/kept.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>

// How a keeper ends: with its rank, whichever way that goes, and no worker stays behind.
namespace rankpool::keeper {

namespace {

/// Workers that do not want to end, chosen by their number in the channel.
void stubborn(Channel channel, RankPage*, int) {
  const auto kind = static_cast<int>(channel.control().open_chunk.load());
  if (kind == 1 || kind == 2) {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
  }
  if (kind == 3) {
    for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_IGN);
  }
  if (kind == 4) {
    if (::fork() == 0) {  // it has no part in the channel
      ::setsid();
      sleep_for_ever();
    }
    channel.control().out_tail.value.fetch_add(1);
  }
  channel.control().out_tail.value.fetch_add(1);
  if (kind == 0 || kind == 2) {
    for (std::atomic<int> rounds{0};;) ++rounds;
  }
  sleep_for_ever();
}

std::vector<pid_t> spawn_stubborn_ones(KeeperConnection& link) {
  std::vector<pid_t> pids;
  for (std::uint32_t worker = 0; worker < 5; ++worker) {
    Channel channel;
    channel.control().open_chunk = worker;
    link.send({Kind::spawn, worker, 0, 0}, channel.fd());
    const auto message = next_message(link);
    if (!message) return {};
    pids.push_back(message->number);
    const std::uint64_t processes = worker == 4 ? 2 : 1;
    if (!until([&] { return channel.control().out_tail.value == processes; })) return {};
  }
  for (const pid_t child : children_of(pids.back())) pids.push_back(child);
  return pids;
}

TEST(EndOfTheKeeper, rank_that_lets_go_takes_even_stubborn_workers_with_it) {
  KeeperProcess keeper(stubborn);
  const auto pids = spawn_stubborn_ones(*keeper.link);
  ASSERT_EQ(pids.size(), 6U);
  keeper.link.reset();
  EXPECT_TRUE(until([&] { return keeper.ended(); }, 2s));
  EXPECT_TRUE(all_gone(pids));
}

TEST(EndOfTheKeeper, keeper_that_is_killed_is_told_and_takes_its_workers_with_it) {
  KeeperProcess keeper(stubborn);
  const auto pids = spawn_stubborn_ones(*keeper.link);
  ASSERT_EQ(pids.size(), 6U);
  ::kill(keeper.pid(), SIGKILL);
  EXPECT_FALSE(next_message(*keeper.link));
  EXPECT_TRUE(keeper.link->lost());
  // All but what the last worker has put into a session of its own: nobody is left to look for that.
  EXPECT_TRUE(until([&] { return all_gone({pids.begin(), pids.end() - 1}); }, 2s));
  ::kill(pids.back(), SIGKILL);
}

TEST(EndOfTheKeeper, signals_do_not_end_it) {
  KeeperProcess keeper([](Channel, RankPage*, int) { sleep_for_ever(); });
  spawn(*keeper.link, 1);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) ::kill(keeper.pid(), signal);
  spawn(*keeper.link, 2);
  EXPECT_EQ(children_of(keeper.pid()).size(), 2U);
}

/// What processes of one test tell each other.
struct Shared {
  std::atomic<int> ready{0};
  std::atomic<int> told_status{-1};
  std::atomic<std::size_t> count{0};
  pid_t pids[8]{};
  void note(const std::vector<pid_t>& all) {
    std::copy(all.begin(), all.end(), pids);
    count = all.size();
    ready = 1;
  }
  [[nodiscard]] std::vector<pid_t> noted() const { return {pids, pids + count}; }
};

class EndOfTheRank : public testing::Test {
 protected:
  void SetUp() override {
    void* const page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    shared = new (page) Shared;
  }
  void TearDown() override { ::munmap(shared, sizeof(Shared)); }

  /// A launched rank: the keeper is the parent, and ends with the number of the signal or the status of the rank.
  pid_t start_launched(void (*rank_does)(Shared&), int launcher = -1) {
    const pid_t keeper = ::fork();
    if (keeper != 0) return keeper;
    KeeperPair pair = make_keeper_pair();
    const pid_t rank = ::fork();
    if (rank == 0) {
      pair.keep_link();
      shared->note(spawn_stubborn_ones(*pair.link));
      rank_does(*shared);
      ::_exit(0);
    }
    pair.keep_keeper();
    KeeperDuties duties;
    duties.rank = rank;
    duties.launcher = launcher;
    duties.worker_main = stubborn;
    duties.rank_ended = [this](int status) { shared->told_status = status; };
    const int status = pair.keeper->run(std::move(duties));
    ::_exit(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  void expect_end(pid_t keeper, int code) {
    int status = 0;
    if (!until([&] { return ::waitpid(keeper, &status, WNOHANG) == keeper; }, 2s)) {
      ::kill(keeper, SIGKILL);
      ::waitpid(keeper, nullptr, 0);
      FAIL() << "the keeper has not ended";
    }
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), code);
    EXPECT_EQ(shared->count, 6U);
    EXPECT_TRUE(all_gone(shared->noted()));
  }

  Shared* shared = nullptr;
};

TEST_F(EndOfTheRank, that_is_killed_is_reported_and_leaves_no_worker) {
  const pid_t keeper = start_launched([](Shared&) { ::raise(SIGKILL); });
  ASSERT_TRUE(until([&] { return shared->ready == 1; }));
  expect_end(keeper, SIGKILL);
  EXPECT_EQ(WTERMSIG(shared->told_status.load()), SIGKILL);
}

TEST_F(EndOfTheRank, comes_when_its_launcher_has_ended) {
  const pid_t launcher = ::fork();
  if (launcher == 0) sleep_for_ever();
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, launcher, 0));
  const pid_t keeper = start_launched(
      [](Shared& all) {
        all.ready = 2;
        sleep_for_ever();
      },
      handle);
  ASSERT_TRUE(until([&] { return shared->ready == 2; }));
  ::kill(launcher, SIGKILL);
  expect_end(keeper, SIGKILL);
  ::waitpid(launcher, nullptr, 0);
  ::close(handle);
}

TEST_F(EndOfTheRank, that_exits_gives_its_status_and_leaves_no_worker) {
  const pid_t keeper = start_launched([](Shared&) { ::_exit(7); });
  ASSERT_TRUE(until([&] { return shared->ready == 1; }));
  expect_end(keeper, 7);
}

TEST_F(EndOfTheRank, signals_of_the_launcher_reach_the_rank_through_the_keeper) {
  const pid_t keeper = start_launched([](Shared& all) {
    ::signal(SIGUSR1, [](int) { ::_exit(61); });
    all.ready = 2;
    sleep_for_ever();
  });
  ASSERT_TRUE(until([&] { return shared->ready == 2; }));
  ::kill(keeper, SIGUSR1);
  expect_end(keeper, 61);
}

TEST_F(EndOfTheRank, that_came_before_the_keeper_listened_is_seen_though_a_copy_of_it_still_holds_the_line) {
  const pid_t keeper = ::fork();
  if (keeper == 0) {
    KeeperPair pair = make_keeper_pair();
    const pid_t rank = ::fork();
    if (rank == 0) {
      pair.keep_link();
      const pid_t copy = ::fork();
      if (copy == 0) sleep_for_ever();
      shared->note({copy});
      ::_exit(7);
    }
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(rank), &ended, WEXITED | WNOWAIT);
    pair.keep_keeper();
    KeeperDuties duties;
    duties.rank = rank;
    duties.worker_main = stubborn;
    ::_exit(WEXITSTATUS(pair.keeper->run(std::move(duties))));
  }
  int status = 0;
  EXPECT_TRUE(until([&] { return ::waitpid(keeper, &status, WNOHANG) == keeper; }, 2s));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  if (status == 0) {
    ::kill(keeper, SIGKILL);
    ::waitpid(keeper, nullptr, 0);
  }
  ASSERT_EQ(shared->noted().size(), 1U);
  ::kill(shared->noted().front(), SIGKILL);
}

TEST_F(EndOfTheRank, is_seen_though_a_copy_of_it_still_holds_the_line) {
  // A rank started bare forks without exec: the copy keeps the socket to the keeper open.
  const pid_t rank = ::fork();
  if (rank == 0) {
    KeeperPair pair = make_keeper_pair();
    const pid_t self = ::getpid();
    const pid_t keeper = ::fork();
    if (keeper == 0) {
      ::setsid();
      pair.keep_keeper();
      KeeperDuties duties;
      duties.rank = self;
      duties.rank_is_parent = true;
      duties.worker_main = stubborn;
      pair.keeper->run(std::move(duties));
      ::_exit(0);
    }
    pair.keep_link();
    auto pids = spawn_stubborn_ones(*pair.link);
    const pid_t copy = ::fork();
    if (copy == 0) sleep_for_ever();
    pids.push_back(keeper);
    pids.push_back(copy);
    shared->note(pids);
    sleep_for_ever();
  }
  ASSERT_TRUE(until([&] { return shared->ready == 1; }));
  ::kill(rank, SIGKILL);
  ::waitpid(rank, nullptr, 0);
  auto pids = shared->noted();
  ASSERT_EQ(pids.size(), 8U);
  const pid_t copy = pids.back();
  pids.pop_back();
  EXPECT_TRUE(until([&] { return all_gone(pids); }, 2s));
  ::kill(copy, SIGKILL);
}

}  // namespace
}  // namespace rankpool::keeper
