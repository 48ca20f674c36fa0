#pragma once

#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

/// What tests ask of processes: do they live, what do they have open, what are their children.
namespace rankpool::test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline bool until(const std::function<bool()>& holds, std::chrono::milliseconds limit = 10s) {
  const auto deadline = Clock::now() + limit;
  while (!holds()) {
    if (Clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

/// A process's state as `ps` has it; 0 if there is none such.
inline char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(") ");
  return name_end == std::string::npos ? '\0' : line[name_end + 2];
}
/// A zombie is gone: its parent has only not looked yet.
inline bool is_gone(pid_t pid) {
  const char state = state_of(pid);
  return state == '\0' || state == 'Z' || state == 'X';
}
inline bool all_gone(const std::vector<pid_t>& pids) { return std::all_of(pids.begin(), pids.end(), is_gone); }

inline long descriptors_of(pid_t pid) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
  return std::distance(all, std::filesystem::directory_iterator());
}
inline std::vector<pid_t> children_of(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

/// Room for as many open files as the system allows, while it lives.
class ManyFiles {
 public:
  ManyFiles() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit all{before_.rlim_max, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &all);
  }
  ManyFiles(const ManyFiles&) = delete;
  ManyFiles& operator=(const ManyFiles&) = delete;
  ~ManyFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace rankpool::test
