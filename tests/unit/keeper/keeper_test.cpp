#include "unit/keeper/kept.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <array>

namespace rankpool::keeper {

namespace {

/// Runs a test's function as the worker.
auto worker_that(void (*does)()) {
  return [does](Channel, RankPage*, int) { does(); };
}

TEST(Keeping, spawned_worker_is_a_child_of_the_keeper_in_a_session_of_its_own) {
  KeeperProcess keeper(worker_that(sleep_for_ever));
  const pid_t worker = spawn(*keeper.link, 7);
  EXPECT_EQ(children_of(keeper.pid()), std::vector{worker});
  EXPECT_TRUE(until([&] { return ::getsid(worker) == worker; }));
}

TEST(Keeping, worker_has_the_channel_that_came_with_the_spawn) {
  KeeperProcess keeper([](Channel channel, RankPage*, int) {
    std::memcpy(channel.out(0), channel.in(0), 6);
    channel.control().out_tail.value = 6;
    sleep_for_ever();
  });
  Channel channel;
  std::memcpy(channel.in(0), "hello", 6);
  keeper.link->send({Kind::spawn, 1, 0, 0}, channel.fd());
  EXPECT_TRUE(until([&] { return channel.control().out_tail.value == 6; }));
  EXPECT_STREQ(reinterpret_cast<const char*>(channel.out(0)), "hello");
}

TEST(Keeping, worker_has_nothing_open_but_standard_streams_channel_and_bell) {
  KeeperProcess keeper(worker_that([] {
    char from[64] = "";
    (void)!::readlink("/proc/self/fd/0", from, sizeof from - 1);
    const bool closed = descriptors_of(::getpid()) == 6;  // with the one that looks
    ::_exit(closed && std::string(from) == "/dev/null" ? 40 : 41);
  }));
  spawn(*keeper.link, 1);
  const auto ended = next_message(*keeper.link);
  ASSERT_TRUE(ended);
  EXPECT_EQ(WEXITSTATUS(ended->status), 40);
}

TEST(Keeping, worker_ignores_what_the_program_ignored_and_has_nothing_blocked) {
  ::signal(SIGUSR2, [](int) {});
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_IGN);
  const base::Stock stock = base::take_stock();
  KeeperProcess keeper(worker_that([] {
                         sigset_t mask;
                         ::sigprocmask(SIG_SETMASK, nullptr, &mask);
                         for (int signal = 1; signal < NSIG; ++signal) {
                           if (::sigismember(&mask, signal) == 1) ::_exit(signal);
                         }
                         struct sigaction child {};
                         ::sigaction(SIGCHLD, nullptr, &child);
                         if (child.sa_handler != SIG_IGN) ::_exit(98);
                         ::raise(SIGPIPE);
                         ::raise(SIGUSR2);
                         ::_exit(99);
                       }),
                       [&](KeeperDuties& duties) { duties.stock.signals = stock.signals; });
  for (const int signal : {SIGPIPE, SIGUSR2, SIGCHLD}) ::signal(signal, SIG_DFL);
  spawn(*keeper.link, 1);
  const auto ended = next_message(*keeper.link);
  ASSERT_TRUE(ended);
  EXPECT_TRUE(WIFSIGNALED(ended->status) && WTERMSIG(ended->status) == SIGUSR2) << ended->status;
}

TEST(Keeping, worker_has_what_the_program_had_open_under_its_numbers) {
  const int file = ::fcntl(STDERR_FILENO, F_DUPFD, 3);
  const int high = ::fcntl(STDERR_FILENO, F_DUPFD, 500);
  const base::Stock stock = base::take_stock();
  EXPECT_TRUE(stock.had(file) && stock.had(high));
  EXPECT_FALSE(stock.had(high + 1));
  static std::array<int, 2> expected;
  expected = {file, high};
  KeeperProcess keeper(worker_that([] {
                         struct stat standard {};
                         ::fstat(STDERR_FILENO, &standard);
                         for (const int fd : expected) {
                           struct stat facts {};
                           if (::fstat(fd, &facts) != 0 || facts.st_ino != standard.st_ino) ::_exit(fd % 200);
                         }
                         // With standard streams, channel, wakeup, and the one that looks.
                         ::_exit(descriptors_of(::getpid()) == 8 ? 99 : 98);
                       }),
                       [&](KeeperDuties& duties) {
                         duties.stock.descriptors = {0, 1, 2, file, high};
                       });
  spawn(*keeper.link, 1);
  const auto ended = next_message(*keeper.link);
  ASSERT_TRUE(ended);
  EXPECT_EQ(WEXITSTATUS(ended->status), 99);
  ::close(file);
  ::close(high);
}

struct End {
  const char* name;
  void (*how)();
  int status;
};

class WorkerEnds : public testing::TestWithParam<End> {};

TEST_P(WorkerEnds, are_told_with_pid_and_status) {  // RES-10
  KeeperProcess keeper(worker_that(GetParam().how));
  const pid_t pid = spawn(*keeper.link, 5);
  const auto ended = next_message(*keeper.link);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->kind, Kind::ended);
  EXPECT_EQ(ended->worker, 5U);
  EXPECT_EQ(ended->number, pid);
  EXPECT_EQ(ended->status & 0x7f, GetParam().status & 0x7f);
  EXPECT_EQ(WEXITSTATUS(ended->status), WEXITSTATUS(GetParam().status));
  EXPECT_EQ(state_of(pid), '\0');  // reaped before it is told
}

INSTANTIATE_TEST_SUITE_P(
    By, WorkerEnds,
    testing::Values(End{"ExitZero", [] { ::_exit(0); }, 0}, End{"Exit42", [] { ::_exit(42); }, 42 << 8},
                    End{"Exit255", [] { ::_exit(255); }, 255 << 8}, End{"ReturnFromItsMain", [] {}, 1 << 8},
                    End{"ExceptionInItsMain", [] { throw std::runtime_error("thrown by a test"); }, 1 << 8},
                    End{"Segv", [] { ::raise(SIGSEGV); }, SIGSEGV}, End{"Abort", [] { std::abort(); }, SIGABRT},
                    End{"Kill", [] { ::raise(SIGKILL); }, SIGKILL}, End{"Term", [] { ::raise(SIGTERM); }, SIGTERM}),
    [](const testing::TestParamInfo<End>& end) { return std::string(end.param.name); });

TEST(Keeping, kill_sends_the_signal_to_that_worker_alone) {
  KeeperProcess keeper(worker_that(sleep_for_ever));
  spawn(*keeper.link, 1);
  const pid_t other = spawn(*keeper.link, 2);
  keeper.link->send({Kind::kill, 1, SIGUSR2, 0});
  const auto ended = next_message(*keeper.link);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->worker, 1U);
  EXPECT_EQ(WTERMSIG(ended->status), SIGUSR2);
  EXPECT_FALSE(is_gone(other));
}

TEST(Keeping, kill_of_a_worker_that_is_not_there_is_ignored) {
  KeeperProcess keeper(worker_that(sleep_for_ever));
  keeper.link->send({Kind::kill, 99, SIGKILL, 0});
  spawn(*keeper.link, 1);
}

TEST(Keeping, worker_that_does_not_heed_sigterm_is_killed_soon_after) {
  KeeperProcess keeper([](Channel channel, RankPage*, int) {
    ::signal(SIGTERM, SIG_IGN);
    channel.control().out_tail.value = 1;
    sleep_for_ever();
  });
  Channel channel;
  keeper.link->send({Kind::spawn, 1, 0, 0}, channel.fd());
  ASSERT_TRUE(next_message(*keeper.link));
  ASSERT_TRUE(until([&] { return channel.control().out_tail.value == 1; }));
  keeper.link->send({Kind::kill, 1, SIGTERM, 0});
  const auto ended = next_message(*keeper.link, 2s);
  ASSERT_TRUE(ended);
  EXPECT_EQ(WTERMSIG(ended->status), SIGKILL);
}

/// A worker with a child and a grandchild, whose pids stand in its channel.
void start_descendants(Channel channel, RankPage*, int) {
  auto* const pids = reinterpret_cast<pid_t*>(channel.out(0));
  int line[2];
  if (::pipe(line) != 0) ::_exit(1);
  const pid_t child = ::fork();
  if (child == 0) {  // forked processes have no part in the channel
    const pid_t grandchild = ::fork();
    if (grandchild != 0) (void)!::write(line[1], &grandchild, sizeof grandchild);
    sleep_for_ever();
  }
  pids[0] = child;
  (void)!::read(line[0], pids + 1, sizeof *pids);
  channel.control().out_tail.value = 1;
  while (channel.control().in_tail.value == 0) ::usleep(1000);
  ::_exit(0);
}

TEST(Keeping, what_a_worker_left_running_ends_with_it) {
  for (const bool killed : {false, true}) {
    KeeperProcess keeper(start_descendants);
    Channel channel;
    keeper.link->send({Kind::spawn, 1, 0, 0}, channel.fd());
    ASSERT_TRUE(next_message(*keeper.link));
    ASSERT_TRUE(until([&] { return channel.control().out_tail.value == 1; }));
    const auto* const pids = reinterpret_cast<const pid_t*>(channel.out(0));
    const std::vector descendants{pids[0], pids[1]};
    channel.control().in_tail.value = killed ? 0 : 1;
    if (killed) keeper.link->send({Kind::kill, 1, SIGKILL, 0});
    ASSERT_TRUE(next_message(*keeper.link));
    EXPECT_TRUE(until([&] { return all_gone(descendants); }, 2s)) << killed;
  }
}

TEST(Keeping, held_descriptor_is_handed_on_and_stays_open_until_the_keeper_ends) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  auto keeper = std::make_unique<KeeperProcess>(worker_that(sleep_for_ever), [](KeeperDuties& duties) {
    duties.hold = [](int fd, std::int32_t what) { (void)!::write(fd, &what, sizeof what); };
  });
  keeper->link->send({Kind::hold, 0, 4711, 0}, ends[1]);
  ::close(ends[1]);
  std::int32_t what = 0;
  ASSERT_EQ(::read(ends[0], &what, sizeof what), static_cast<ssize_t>(sizeof what));
  EXPECT_EQ(what, 4711);
  char byte = 0;
  EXPECT_EQ(::recv(ends[0], &byte, 1, MSG_DONTWAIT), -1);
  keeper.reset();
  EXPECT_EQ(::recv(ends[0], &byte, 1, 0), 0);
  ::close(ends[0]);
}

TEST(Keeping, descriptor_that_nobody_wants_is_closed) {
  KeeperProcess keeper(worker_that(sleep_for_ever));
  spawn(*keeper.link, 1);
  const long before = descriptors_of(keeper.pid());
  const Channel channel;
  for (int i = 0; i < 20; ++i) keeper.link->send({Kind::hold, 0, 1, 0}, channel.fd());
  for (int i = 0; i < 20; ++i) keeper.link->send({Kind::kill, 99, SIGTERM, 0}, channel.fd());
  keeper.link->send({Kind::spawn, 3, 0, 0});  // without a channel there is no worker
  const auto refused = next_message(*keeper.link);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind, Kind::spawn_failed);
  EXPECT_EQ(refused->worker, 3U);
  spawn(*keeper.link, 2);
  EXPECT_EQ(descriptors_of(keeper.pid()), before);
}

TEST(Keeping, fork_that_fails_is_told_with_its_error_and_the_keeper_goes_on) {  // CTJ-11
  KeeperProcess keeper(worker_that(sleep_for_ever), [](KeeperDuties&) {
    // Limits of processes do not hold for root.
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NPROC, &none);
    (void)!::setuid(65534);
  });
  for (const std::uint32_t worker : {3U, 4U}) {
    const Channel channel;
    keeper.link->send({Kind::spawn, worker, 0, 0}, channel.fd());
    const auto failed = next_message(*keeper.link);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->kind, Kind::spawn_failed);
    EXPECT_EQ(failed->worker, worker);
    EXPECT_EQ(failed->number, EAGAIN);
  }
}

TEST(Keeping, each_message_of_the_keeper_is_counted) {
  KeeperProcess keeper(worker_that([] { ::_exit(0); }));
  spawn(*keeper.link, 1);
  ASSERT_TRUE(next_message(*keeper.link));
  EXPECT_TRUE(until([&] { return keeper.link->page().keeper_events == 2; }));
}

TEST(Keeping, thousand_workers_leave_no_zombie_and_no_descriptor) {
  KeeperProcess keeper(worker_that([] { ::_exit(0); }));
  spawn(*keeper.link, 0);
  ASSERT_TRUE(next_message(*keeper.link));
  const long own = descriptors_of(::getpid());
  const long keepers = descriptors_of(keeper.pid());
  for (std::uint32_t worker = 1; worker <= 1000; ++worker) {
    spawn(*keeper.link, worker);
    const auto ended = next_message(*keeper.link);
    ASSERT_TRUE(ended && ended->kind == Kind::ended);
    ASSERT_EQ(ended->worker, worker);
  }
  EXPECT_TRUE(children_of(keeper.pid()).empty());
  EXPECT_EQ(descriptors_of(keeper.pid()), keepers);
  EXPECT_EQ(descriptors_of(::getpid()), own);
}

TEST(Keeping, thousand_requests_in_one_go_are_served_though_nobody_reads_the_answers) {
  KeeperProcess keeper(worker_that([] { ::_exit(0); }));
  const Channel channel;
  for (std::uint32_t worker = 0; worker < 1000; ++worker) {
    ASSERT_TRUE(keeper.link->send({Kind::spawn, worker, 0, 0}, channel.fd()));
  }
  int ended = 0;
  while (ended < 1000) {
    const auto message = next_message(*keeper.link);
    ASSERT_TRUE(message) << ended;
    if (message->kind == Kind::ended) ++ended;
  }
}

}  // namespace
}  // namespace rankpool::keeper
