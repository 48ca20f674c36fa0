// Processor time of the job's processes on this node, read from the kernel in nanoseconds.
#pragma once

#include <rankpool/rankpool.hpp>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace bench {

inline double cpu_seconds_of_thread(const std::filesystem::path& task) {
  std::ifstream schedstat(task / "schedstat");
  double nanoseconds = 0;
  schedstat >> nanoseconds;
  return nanoseconds * 1e-9;
}

inline double cpu_seconds(pid_t pid) {
  double sum = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    sum += cpu_seconds_of_thread(task.path());
  }
  return sum;
}

inline std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> found;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream children(task.path() / "children");
    for (pid_t child = 0; children >> child;) found.push_back(child);
  }
  return found;
}

/// What the library itself uses: all ranks and keepers. The user's thread counts, too: while it waits it does the
/// engine's work, and else it encodes and decodes.
inline double cpu_seconds_of_library() {
  double sum = 0;
  for (const auto& rank : rankpool::ranks()) sum += cpu_seconds(rank.keeper_pid) + cpu_seconds(rank.pid);
  return sum;
}

/// Everything: ranks, keepers and workers. A worker is a child of its keeper; so is a rank that a launcher started.
inline double cpu_seconds_of_job() {
  double sum = 0;
  for (const auto& rank : rankpool::ranks()) {
    sum += cpu_seconds(rank.pid) + cpu_seconds(rank.keeper_pid);
    for (const pid_t child : children_of(rank.keeper_pid)) {
      if (child != rank.pid) sum += cpu_seconds(child);
    }
  }
  return sum;
}

}  // namespace bench
