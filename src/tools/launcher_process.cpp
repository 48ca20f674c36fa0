#include "tools/launcher_process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <system_error>

namespace rankpool::tools {
namespace {

struct Parenthood {
  pid_t parent = 0;
  char state = '?';
};

/// Of every process of this node that can be seen.
std::map<pid_t, Parenthood> all_processes() {
  std::map<pid_t, Parenthood> found;
  DIR* const folder = ::opendir("/proc");
  if (folder == nullptr) return found;
  while (const dirent* const entry = ::readdir(folder)) {
    if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) == 0) continue;
    std::ifstream file(std::string("/proc/") + entry->d_name + "/stat");
    std::string text;
    std::getline(file, text, '\0');
    // The name is in brackets and may hold anything.
    const std::size_t bracket = text.rfind(')');
    if (bracket == std::string::npos || bracket + 4 >= text.size()) continue;
    found[std::atoi(entry->d_name)] = {std::atoi(text.c_str() + bracket + 4), text[bracket + 2]};
  }
  ::closedir(folder);
  return found;
}

std::vector<pid_t> living_descendants() {
  const auto all = all_processes();
  const pid_t self = ::getpid();
  std::vector<pid_t> found;
  for (const auto& [pid, one] : all) {
    if (one.state == 'Z' || one.state == 'X') continue;
    auto above = all.find(one.parent);
    // A chain of parents is never longer than there are processes: the table may be torn, and then hold a ring.
    for (std::size_t steps = 0; above != all.end() && steps < all.size(); ++steps) {
      if (above->first == self) {
        found.push_back(pid);
        break;
      }
      above = all.find(above->second.parent);
    }
  }
  return found;
}

void set_environment(const Plan& plan) {
  for (const auto& name : plan.unset) ::unsetenv(name.c_str());
  for (const auto& [name, value] : plan.set) ::setenv(name.c_str(), value.c_str(), 1);
}

void execute(const Plan& plan) {
  std::vector<char*> words;
  for (const auto& word : plan.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words.front(), words.data());
}

}  // namespace

void become(const Plan& plan) {
  set_environment(plan);
  execute(plan);
}

LauncherProcess::LauncherProcess(const Plan& plan, const std::vector<std::pair<std::string, std::string>>& also_set) {
  std::array<int, 2> trouble{};
  if (::pipe2(trouble.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  shares_terminal_ = ::isatty(STDIN_FILENO) == 1 && ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  const pid_t self = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    if (!shares_terminal_) ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    set_environment(plan);
    for (const auto& [name, value] : also_set) ::setenv(name.c_str(), value.c_str(), 1);
    if (::getppid() == self) execute(plan);
    const int error = errno;
    (void)!::write(trouble[1], &error, sizeof error);
    ::_exit(127);
  }
  const int fork_error = errno;
  ::close(trouble[1]);
  int error = pid_ < 0 ? fork_error : 0;
  if (pid_ > 0 && ::read(trouble[0], &error, sizeof error) == sizeof error) ::waitpid(pid_, nullptr, 0);
  ::close(trouble[0]);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot start " + plan.command.front());
}

LauncherProcess::~LauncherProcess() {
  send(SIGKILL);
  end_remains([] {});
}

void LauncherProcess::send(int signal) const {
  if (!status_) ::kill(pid_, signal);
}

std::optional<int> LauncherProcess::reap() {
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (ended == pid_) status_ = status;
  }
  return status_;
}

void LauncherProcess::end_remains(const std::function<void()>& meanwhile) {
  constexpr int round_ms = 20;
  constexpr int ask_ms = 1000;
  constexpr int tell_ms = 2000;
  constexpr int give_up_ms = 5000;
  for (int waited = 0; waited < give_up_ms; waited += round_ms) {
    reap();
    const auto remains = living_descendants();
    if (remains.empty()) return;
    for (const pid_t pid : remains) {
      if (waited == ask_ms) ::kill(pid, SIGTERM);
      if (waited >= tell_ms) ::kill(pid, SIGKILL);
    }
    meanwhile();
    ::poll(nullptr, 0, round_ms);
  }
}

}  // namespace rankpool::tools
