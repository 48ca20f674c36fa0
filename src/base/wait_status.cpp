#include "base/wait_status.hpp"

#include <sys/wait.h>
#include <array>
#include <csignal>
#include <utility>

namespace rankpool::base {

std::string signal_name(int signal) {
  // sigabbrev_np would do, but is missing from the C libraries of older clusters.
  static constexpr std::array<std::pair<int, const char*>, 25> names{{
      {SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},       {SIGQUIT, "SIGQUIT"}, {SIGILL, "SIGILL"},
      {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},     {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},
      {SIGKILL, "SIGKILL"}, {SIGUSR1, "SIGUSR1"},     {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
      {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"},     {SIGTERM, "SIGTERM"}, {SIGSTKFLT, "SIGSTKFLT"},
      {SIGCHLD, "SIGCHLD"}, {SIGCONT, "SIGCONT"},     {SIGSTOP, "SIGSTOP"}, {SIGXCPU, "SIGXCPU"},
      {SIGXFSZ, "SIGXFSZ"}, {SIGVTALRM, "SIGVTALRM"}, {SIGPROF, "SIGPROF"}, {SIGIO, "SIGIO"},
      {SIGSYS, "SIGSYS"},
  }};
  for (const auto& [number, name] : names) {
    if (number == signal) return name;
  }
  return "signal " + std::to_string(signal);
}

HowItEnded how_it_ended(int wait_status) {
  HowItEnded how;
  if (WIFSIGNALED(wait_status)) {
    how.signal = signal_name(WTERMSIG(wait_status));
    how.text = "ended by " + how.signal;
  } else {
    how.exit_code = WEXITSTATUS(wait_status);
    how.text = "ended with exit code " + std::to_string(*how.exit_code);
  }
  return how;
}

}  // namespace rankpool::base
