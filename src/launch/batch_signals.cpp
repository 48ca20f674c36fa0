#include "launch/batch_signals.hpp"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace rankpool::launch {
namespace {

constexpr std::string_view kSlurm = "slurmstepd";

/// Whether that process is Slurm's. Only calls that a signal handler may make.
bool is_slurm(pid_t pid) {
  std::array<char, 32> path{"/proc/"};
  std::array<char, 12> digits{};
  std::size_t count = 0;
  for (; pid > 0; pid /= 10) digits[count++] = static_cast<char>('0' + pid % 10);
  std::size_t end = std::string_view("/proc/").size();
  while (count > 0) path[end++] = digits[--count];
  for (const char letter : std::string_view("/comm")) path[end++] = letter;
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::array<char, 16> name{};
  const ssize_t got = ::read(file, name.data(), name.size());
  ::close(file);
  return got >= static_cast<ssize_t>(kSlurm.size()) && std::string_view(name.data(), kSlurm.size()) == kSlurm;
}

extern "C" void on_signal_to_worker(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  if (info->si_code != SI_USER || !is_slurm(info->si_pid)) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when this returns
  }
  errno = saved;
}

}  // namespace

void shield_from_batch_system() {
  if (std::getenv("SLURM_JOB_ID") == nullptr) return;
  struct sigaction own {};
  own.sa_sigaction = on_signal_to_worker;
  own.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&own.sa_mask);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) {
    struct sigaction before {};
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) ::sigaction(signal, &own, nullptr);
  }
}

}  // namespace rankpool::launch
