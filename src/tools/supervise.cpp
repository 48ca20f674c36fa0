#include "tools/supervise.hpp"

#include "base/terminal_rescue.hpp"
#include "launch/report.hpp"
#include "tools/launcher_process.hpp"
#include "tools/report_server.hpp"
#include "tools/say.hpp"
#include "tools/verdict.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace rankpool::tools {
namespace {

/// Blocks the signals that concern us and gives a descriptor to read them from.
int signals_as_descriptor() {
  ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would never tell of the launcher's end
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  struct sigaction hangup {};
  // Under nohup it is ignored, and stays so for the launcher.
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&set, SIGHUP);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  return fd;
}

/// "HOST:PATH" of the terminal that our stderr is, or nothing: ranks cannot tell by themselves.
std::string own_terminal() {
  std::array<char, 256> host{};
  std::array<char, 256> path{};
  if (::isatty(STDERR_FILENO) == 0 || ::gethostname(host.data(), host.size() - 1) != 0 ||
      ::ttyname_r(STDERR_FILENO, path.data(), path.size()) != 0) {
    return {};
  }
  return std::string(host.data()) + ":" + path.data();
}

int milliseconds_until(const std::optional<Clock::time_point>& when) {
  if (!when) return -1;
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*when - Clock::now()).count();
  return rest > 0 ? static_cast<int>(rest) : 0;
}

}  // namespace

int supervise(const Plan& plan, const Patience& patience, const std::string& interface) {
  const int signals = signals_as_descriptor();
  ReportServer server(interface);
  LauncherProcess launcher(plan, {{launch::kReportVariable, launch::to_report_text(server.invitation())},
                                  {base::kTerminalVariable, own_terminal()}});
  Escalation escalation(patience);
  std::optional<int> status;
  while (!(status = launcher.reap())) {
    std::array<pollfd, 2> wait{pollfd{signals, POLLIN, 0}, pollfd{server.fd(), POLLIN, 0}};
    ::poll(wait.data(), wait.size(), milliseconds_until(escalation.next()));
    signalfd_siginfo info;
    while (::read(signals, &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal == SIGCHLD) continue;
      const bool typed = info.ssi_code == SI_KERNEL && launcher.shares_terminal();
      for (const int one : escalation.on_signal(signal, typed ? Sender::terminal : Sender::process, Clock::now())) {
        // Launchers make another signal of it, or end the job at once: rank 0 is to decide.
        if (one != signal || !server.send_signal(one)) launcher.send(one);
      }
    }
    const RankZeroNews& news = server.poll();
    if (news.wait_status || !news.lost.empty()) escalation.on_rank_0_ended(Clock::now());
    for (const int one : escalation.due(Clock::now())) launcher.send(one);
  }
  server.poll();
  launcher.end_remains([&] { server.poll(); });
  const Verdict verdict = judge_ending(plan, server.poll(), *status, escalation.asked_to_end());
  if (!verdict.text.empty()) say(verdict.text);
  ::close(signals);
  return verdict.status;
}

}  // namespace rankpool::tools
