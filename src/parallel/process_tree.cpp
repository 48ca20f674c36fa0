#include "parallel/process_tree.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>

namespace rankpool::parallel {
namespace {

pid_t g_keeper = 0;

/// As GNU parallel's TERM,200,TERM,100,TERM,50,KILL. The keeper kills a worker 500 ms after it has asked it to end.
constexpr std::array<int, 3> kPatience{200, 100, 50};  // ms
constexpr int kStep = 5;                               // ms

void sleep_ms(int ms) {
  timespec time{0, ms * 1'000'000L};
  ::nanosleep(&time, nullptr);
}

/// Calls `each` for each child of this process. Only calls that a signal handler may make; false if there is none.
template <class Each>
bool for_each_child(Each&& each) {
  // "/proc/thread-self/children" has those of one thread; commands are started by the main one, which adopts orphans,
  // too.
  std::array<char, 64> path{};
  std::size_t end = 0;
  const auto put = [&](const char* text) {
    while (*text != '\0') path[end++] = *text++;
  };
  const auto put_number = [&](pid_t number) {
    std::array<char, 12> digits{};
    std::size_t count = 0;
    for (; number > 0; number /= 10) digits[count++] = static_cast<char>('0' + number % 10);
    while (count > 0) path[end++] = digits[--count];
  };
  put("/proc/self/task/");
  put_number(::getpid());
  put("/children");
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  bool any = false;
  pid_t number = 0;
  std::array<char, 512> part{};
  for (ssize_t got = 0; (got = ::read(file, part.data(), part.size())) > 0;) {
    for (ssize_t i = 0; i < got; ++i) {
      const char c = part[static_cast<std::size_t>(i)];
      if (c >= '0' && c <= '9') {
        number = number * 10 + (c - '0');
      } else if (number > 0) {
        any = true;
        each(number);
        number = 0;
      }
    }
  }
  ::close(file);
  return any;
}

/// A command's process leads a group; others are in a group of some command, or in their own.
void signal_tree(pid_t child, int signal) {
  ::kill(-child, signal);
  ::kill(child, signal);
}

/// Ends all children, theirs as they become ours, and returns when none is left.
void end_everything() {
  for (const int patience : kPatience) {
    if (!for_each_child([](pid_t child) { signal_tree(child, SIGTERM); })) return;
    for (int waited = 0; waited < patience; waited += kStep) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      if (!for_each_child([](pid_t) {})) return;
      sleep_ms(kStep);
    }
  }
  while (for_each_child([](pid_t child) { signal_tree(child, SIGKILL); })) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    sleep_ms(1);
  }
}

extern "C" void on_term(int, siginfo_t* info, void*) {
  // The keeper's request, or its death, which looks as if it came from it. A batch system that signals every process
  // means the program, whose first process decides.
  if (info->si_pid != g_keeper) return;
  end_everything();
  ::_exit(128 + SIGTERM);
}

}  // namespace

void keep_processes_of_commands() {
  ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would lose how commands end
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  g_keeper = ::getppid();
  struct sigaction own {};
  own.sa_sigaction = on_term;
  own.sa_flags = SA_SIGINFO | SA_RESTART;
  sigfillset(&own.sa_mask);
  ::sigaction(SIGTERM, &own, nullptr);
  // A worker whose keeper dies is told by SIGTERM in place of SIGKILL, for it has processes to end.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != g_keeper) ::raise(SIGKILL);
}

std::vector<pid_t> living_children() {
  std::vector<pid_t> living;
  while (true) {
    const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
    if (reaped < 0) return living;  // there is none
    if (reaped == 0) break;
  }
  for_each_child([&](pid_t child) { living.push_back(child); });
  return living;
}

int end_command(pid_t command, const std::vector<pid_t>& spared) {
  int status = 0;
  bool ended = false;
  for (const int patience : kPatience) {
    if (ended) break;
    ::kill(-command, SIGTERM);
    for (int waited = 0; waited < patience && !ended; waited += kStep) {
      ended = ::waitpid(command, &status, WNOHANG) == command;
      if (!ended) sleep_ms(kStep);
    }
  }
  if (!ended) {
    ::kill(-command, SIGKILL);
    while (::waitpid(command, &status, 0) < 0 && errno == EINTR) {
    }
    // Whoever outlived the asking may not say how it ends.
  }
  // What it has left, the rest of its group too.
  for (bool left = true; left;) {
    left = false;
    for (const pid_t child : living_children()) {
      if (std::find(spared.begin(), spared.end(), child) != spared.end()) continue;
      signal_tree(child, SIGKILL);
      left = true;
    }
    if (left) sleep_ms(1);
  }
  return status;
}

}  // namespace rankpool::parallel
