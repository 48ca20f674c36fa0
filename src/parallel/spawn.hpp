#pragma once

#include "parallel/command.hpp"

#include <sys/types.h>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::parallel {

/// Where a command reads and writes; -1: nothing to read (/dev/null), or where the worker writes.
struct Streams {
  int in = -1;
  int out = -1;
  int err = -1;
};

/// Starts commands, each in a process group of its own.
class Spawner {
 public:
  Spawner(const CommandSettings& settings, const std::string& host);

  /// The process. Throws std::system_error if not even a shell can be started.
  pid_t start(const Command& command, const Streams& streams);

 private:
  /// The program's file by the command's own PATH, which may be another than this process's; nothing if a shell has to
  /// look for it, or to say that there is none.
  [[nodiscard]] std::optional<std::string> file_of(const std::string& name) const;
  /// Returns an errno, 0 if the program runs.
  int spawn(pid_t& pid, const std::string& program, const std::vector<std::string>& words, const Streams& streams);

  const CommandSettings& settings_;
  std::vector<std::string> variables_;
  std::vector<std::string> path_;   ///< folders
  std::vector<char*> environment_;  ///< of variables_; the last two are the command's own
  std::string seq_;
  std::string slot_;
};

}  // namespace rankpool::parallel
