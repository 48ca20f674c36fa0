#include "launch/keeper_process.hpp"

#include "base/own_descriptor.hpp"
#include "base/sanitizers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

namespace rankpool::launch {
namespace {

[[noreturn]] void fail(int error) { throw std::system_error(error, std::generic_category(), "a keeper process"); }

/// A child with no signal at its end: it is waited for with __WALL only. Not fork(), which always asks for SIGCHLD; and
/// so without what the C library does in a fork for the locks that other threads hold.
KeeperProcess clone_quietly() {
  int watch = -1;
  const long pid = ::syscall(SYS_clone, static_cast<unsigned long>(CLONE_PIDFD), nullptr, &watch, nullptr, 0UL);
  if (pid < 0) fail(errno);
  if (pid == 0) return {0, -1};
  return {static_cast<pid_t>(pid), base::to_high_number(watch)};
}

/// A grandchild, which is nobody's child here. Where there are other threads only fork() leaves the child in a state in
/// which it may allocate memory.
KeeperProcess fork_twice() {
  int line[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) != 0) fail(errno);
  const pid_t between = ::fork();
  if (between < 0) {
    const int error = errno;
    ::close(line[0]);
    ::close(line[1]);
    fail(error);
  }
  if (between == 0) {
    ::close(line[0]);
    const pid_t keeper = ::fork();
    if (keeper != 0) {
      const int told = keeper > 0 ? keeper : -errno;
      (void)!::send(line[1], &told, sizeof told, MSG_NOSIGNAL);
      ::_exit(0);
    }
    // Not before the program has taken hold of it.
    char go = 0;
    const ssize_t got = ::read(line[1], &go, 1);
    ::close(line[1]);
    if (got != 1) ::_exit(1);
    return {0, -1};
  }
  ::close(line[1]);
  int told = -EAGAIN;
  while (::read(line[0], &told, sizeof told) < 0 && errno == EINTR) {
  }
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  KeeperProcess keeper{told, -1};
  if (told > 0) {
    keeper.watch = base::to_high_number(static_cast<int>(::syscall(SYS_pidfd_open, told, 0)));
    (void)!::send(line[0], "g", 1, MSG_NOSIGNAL);
  }
  ::close(line[0]);
  if (told <= 0) fail(-told);
  return keeper;
}

}  // namespace

KeeperProcess fork_keeper(int other_threads) {
  // No handler of the program is to run in a process that is about to become something else.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto in_program = [&] { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); };
  try {
    // A sanitizer's own thread may hold a lock like any other.
    const bool alone = other_threads == 0 && base::kThreadsOfTools == 0;
    const KeeperProcess keeper = alone ? clone_quietly() : fork_twice();
    if (keeper.pid != 0) in_program();
    return keeper;
  } catch (...) {
    in_program();
    throw;
  }
}

void await_end_of(const KeeperProcess& keeper) {
  pollfd wait{keeper.watch, POLLIN, 0};
  // Without a pidfd it is asked for: waiting for it by number would, with SIGCHLD ignored, wait for all children.
  while (keeper.watch < 0 || ::poll(&wait, 1, -1) <= 0) {
    int status = 0;
    const pid_t got = ::waitpid(keeper.pid, &status, WNOHANG | __WALL);
    if (got == keeper.pid || (got < 0 && errno == ECHILD && ::kill(keeper.pid, 0) != 0)) return;
    if (keeper.watch < 0) ::poll(nullptr, 0, 2);
  }
  while (::waitpid(keeper.pid, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  ::close(keeper.watch);
}

}  // namespace rankpool::launch
