#include "launch/keeper_process.hpp"

#include "unit/processes.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <vector>

namespace rankpool::launch {
namespace {

/// With a thread more and without, as which the keeper is made in different ways.
class ForkKeeper : public testing::TestWithParam<int> {
 protected:
  static KeeperProcess sleep_for(int milliseconds) {
    const KeeperProcess keeper = fork_keeper(GetParam());
    if (keeper.pid != 0) return keeper;
    std::vector<int> memory(100'000, 1);  // it can allocate
    ::poll(nullptr, 0, milliseconds);
    ::_exit(memory.back() == 1 ? 0 : 1);
  }
};

TEST_P(ForkKeeper, makes_no_child_that_wait_finds) {
  const KeeperProcess keeper = sleep_for(200);
  EXPECT_GT(keeper.pid, 0);
  EXPECT_EQ(::wait(nullptr), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_EQ(::kill(keeper.pid, 0), 0);
  await_end_of(keeper);
  EXPECT_TRUE(test::is_gone(keeper.pid));
}

TEST_P(ForkKeeper, sends_no_sigchld_of_its_end) {
  static volatile std::sig_atomic_t came = 0;
  const KeeperProcess keeper = sleep_for(1);
  ::signal(SIGCHLD, [](int) { came = 1; });
  await_end_of(keeper);
  ::signal(SIGCHLD, SIG_DFL);
  EXPECT_EQ(came, 0);
}

TEST_P(ForkKeeper, is_awaited_where_sigchld_is_ignored_and_other_children_live) {
  ::signal(SIGCHLD, SIG_IGN);
  const pid_t other = ::fork();
  if (other == 0) {
    ::poll(nullptr, 0, 10'000);
    ::_exit(0);
  }
  const KeeperProcess keeper = sleep_for(1);
  await_end_of(keeper);
  EXPECT_EQ(::kill(other, 0), 0);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::signal(SIGCHLD, SIG_DFL);
}

TEST_P(ForkKeeper, is_awaited_where_the_kernel_has_no_pidfd) {
  KeeperProcess keeper = sleep_for(20);
  ::close(keeper.watch);
  keeper.watch = -1;
  await_end_of(keeper);
  EXPECT_TRUE(test::is_gone(keeper.pid));
}

INSTANTIATE_TEST_SUITE_P(WithOtherThreads, ForkKeeper, testing::Values(0, 1));

}  // namespace
}  // namespace rankpool::launch
