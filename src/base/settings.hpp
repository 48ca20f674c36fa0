#pragma once

#include "base/log.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::base {

/// How the progress of maps is shown.
enum class ProgressSetting {
  automatic,  ///< as a line on a terminal, else as a log
  bar,
  log,
  off,
  all,  ///< automatic, and of every map that takes long, labelled or not
};

/// What the environment says, read once by `run`.
struct Settings {
  std::optional<int> max_workers;                ///< RANKPOOL_MAX_WORKERS: default of ExecutorOptions::max_workers
  std::optional<int> workers;                    ///< RANKPOOL_WORKERS: workers that each rank can hold
  std::chrono::milliseconds lost_after{10'000};  ///< RANKPOOL_LOST_AFTER, in seconds
  std::string interface;                         ///< RANKPOOL_INTERFACE
  LogLevel log_level = LogLevel::warn;           ///< RANKPOOL_LOG
  ProgressSetting progress = ProgressSetting::automatic;  ///< RANKPOOL_PROGRESS
  std::string trace;                                      ///< RANKPOOL_TRACE: file to write, or empty
};

/// Reads a variable: its text, or nothing.
using Lookup = std::function<std::optional<std::string>(const char*)>;

/// The process environment.
std::optional<std::string> environment(const char* name);

/// Reads the settings. A nonsense value leaves the default and adds one line that names it to `warnings`.
Settings read_settings(const Lookup& lookup, std::vector<std::string>& warnings);
/// The same from the process environment.
Settings read_settings(std::vector<std::string>& warnings);

}  // namespace rankpool::base
