#include "base/inheritance.hpp"

#include "base/own_descriptor.hpp"
#include "support/sanitized.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <string>
#include <thread>

namespace rankpool::base {
namespace {

/// Runs it in a process of its own; its exit status.
template <class Does>
int in_another_process(Does&& does) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(does());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
bool is_ignored(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}
bool is_default(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_DFL;
}
bool is_blocked(int signal) {
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  return ::sigismember(&mask, signal) == 1;
}

TEST(TakeStock, finds_what_is_open_and_what_signals_do) {
  EXPECT_EQ(in_another_process([] {
              ::dup2(STDERR_FILENO, 77);
              ::signal(SIGUSR1, SIG_IGN);
              ::signal(SIGUSR2, [](int) {});
              const Stock stock = take_stock();
              if (!stock.had(77) || stock.had(78) || !stock.had(STDERR_FILENO)) return 1;
              if (stock.signals[SIGUSR1] != Disposition::ignored) return 2;
              if (stock.signals[SIGUSR2] != Disposition::handled) return 3;
              return stock.signals[SIGTERM] == Disposition::standard ? 0 : 4;
            }),
            0);
}

TEST(TakeStock, puts_dev_null_where_a_standard_stream_is_closed) {
  EXPECT_EQ(in_another_process([] {
              for (int fd = 0; fd < 3; ++fd) ::close(fd);
              const Stock stock = take_stock();
              for (int fd = 0; fd < 3; ++fd) {
                char target[64] = "";
                (void)!::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof target - 1);
                if (std::string(target) != "/dev/null") return fd + 1;
              }
              return is_open(3) && !stock.had(3) ? 5 : 0;
            }),
            0);
}

TEST(TakeStock, counts_other_threads) {
  if (kSanitized) GTEST_SKIP() << "after a fork a sanitizer has no thread of its own any more, or has one again";
  EXPECT_EQ(in_another_process([] {
              if (take_stock().other_threads != 0) return 1;
              std::thread([] { ::pause(); }).detach();
              return take_stock().other_threads == 1 ? 0 : 2;
            }),
            0);
}

/// What the program had in these tests.
Stock odd_stock() {
  Stock stock;
  stock.signals[SIGPIPE] = stock.signals[SIGCHLD] = stock.signals[SIGTERM] = Disposition::ignored;
  stock.signals[SIGUSR1] = stock.signals[SIGALRM] = Disposition::handled;
  return stock;
}
void make_odd() {
  for (const int signal : {SIGPIPE, SIGCHLD, SIGTERM}) ::signal(signal, SIG_IGN);
  for (const int signal : {SIGUSR1, SIGALRM}) ::signal(signal, [](int) {});
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

TEST(GiveSignals, a_worker_ignores_what_the_program_ignored_and_nothing_else_is_left) {
  EXPECT_EQ(in_another_process([] {
              make_odd();
              give_signals(odd_stock(), Heir::worker);
              for (int signal = 1; signal < SIGSYS; ++signal) {
                if (is_blocked(signal)) return signal;
              }
              if (!is_ignored(SIGPIPE) || !is_ignored(SIGCHLD) || !is_ignored(SIGTERM)) return 100;
              return is_default(SIGUSR1) && is_default(SIGALRM) && is_default(SIGINT) ? 0 : 101;
            }),
            0);
}

TEST(GiveSignals, a_keeper_hears_of_its_children_whatever_the_program_ignored) {
  EXPECT_EQ(in_another_process([] {
              make_odd();
              give_signals(odd_stock(), Heir::keeper);
              for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) {
                if (!is_blocked(signal) || !is_default(signal)) return signal;
              }
              if (is_blocked(SIGALRM) || is_blocked(SIGSEGV)) return 100;
              return is_ignored(SIGPIPE) && is_ignored(SIGXFSZ) && is_default(SIGALRM) ? 0 : 101;
            }),
            0);
}

TEST(GiveSignals, an_agent_leaves_what_asks_to_end_to_rank_0) {
  EXPECT_EQ(in_another_process([] {
              make_odd();
              give_signals(odd_stock(), Heir::agent);
              for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE}) {
                if (is_blocked(signal) || !is_ignored(signal)) return signal;
              }
              return is_default(SIGALRM) ? 0 : 101;
            }),
            0);
}

TEST(GiveDescriptors, a_worker_has_those_of_the_program_and_its_own) {
  EXPECT_EQ(in_another_process([] {
              for (const int fd : {20, 21, 22, 900}) ::dup2(STDERR_FILENO, fd);
              Stock stock;
              stock.descriptors = {0, 1, 2, 21};
              give_descriptors(stock, Heir::worker, {900});
              if (!is_open(1) || !is_open(2) || !is_open(21) || !is_open(900)) return 1;
              if (is_open(20) || is_open(22) || is_open(3)) return 2;
              char byte = 0;
              return ::read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 3;
            }),
            0);
}

TEST(GiveDescriptors, a_file_that_the_program_has_as_0_stays_if_there_was_no_input) {
  EXPECT_EQ(in_another_process([] {
              int line[2];
              (void)!::pipe(line);
              ::dup2(line[1], STDIN_FILENO);
              Stock stock;
              stock.standard_input_was_closed = true;
              give_descriptors(stock, Heir::worker, {line[0]});
              char byte = 0;
              return ::write(STDIN_FILENO, "x", 1) == 1 && ::read(line[0], &byte, 1) == 1 && byte == 'x' ? 0 : 1;
            }),
            0);
}

TEST(DescriptorIdentity, is_lost_with_the_file_behind_the_number) {
  int first[2];
  int second[2];
  ASSERT_EQ(::pipe(first), 0);
  ASSERT_EQ(::pipe(second), 0);
  const DescriptorIdentity identity(first[1]);
  EXPECT_TRUE(identity.is(first[1]));
  ::dup2(second[1], first[1]);
  EXPECT_FALSE(identity.is(first[1]));
  ::close(first[1]);
  EXPECT_FALSE(identity.is(first[1]));
  EXPECT_FALSE(DescriptorIdentity().is(first[0]));
  for (const int fd : {first[0], second[0], second[1]}) ::close(fd);
}

TEST(ToHighNumber, moves_it_out_of_the_way_and_closes_it_in_programs_that_are_started) {
  const int low = ::open("/dev/null", O_RDONLY);
  const int high = to_high_number(low);
  EXPECT_GT(high, 500);
  EXPECT_FALSE(is_open(low));
  EXPECT_EQ(::fcntl(high, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  ::close(high);
  EXPECT_EQ(to_high_number(-1), -1);
}

}  // namespace
}  // namespace rankpool::base
