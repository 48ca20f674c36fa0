#pragma once

#include "tools/plan.hpp"

#include <sys/types.h>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::tools {

/// Replaces this process by the plan's command. Returns only if that fails: errno says why.
void become(const Plan& plan);

/// The launcher as a child process. This process becomes the one to which orphans below it fall, so that all that the
/// launcher leaves can be found and ended. One object, one thread.
class LauncherProcess {
 public:
  /// Starts the plan's command, with these variables besides the plan's own. It runs in a process group of its own,
  /// unless it must be able to read the terminal that is our standard input. Should this process be killed, it gets
  /// SIGTERM.
  /// @throws std::system_error if it cannot be started
  LauncherProcess(const Plan& plan, const std::vector<std::pair<std::string, std::string>>& also_set);
  LauncherProcess(const LauncherProcess&) = delete;
  LauncherProcess& operator=(const LauncherProcess&) = delete;
  /// Leaves no process behind.
  ~LauncherProcess();

  void send(int signal) const;
  /// Reaps whatever has ended. The launcher's wait status once it has.
  std::optional<int> reap();
  /// Whether a signal that the terminal sends reaches the launcher without our help.
  [[nodiscard]] bool shares_terminal() const noexcept { return shares_terminal_; }
  /// Ends all processes below this one: lets them end by themselves for a second, then asks, then tells. Calls
  /// `meanwhile` often.
  void end_remains(const std::function<void()>& meanwhile);

 private:
  pid_t pid_ = -1;
  bool shares_terminal_ = false;
  std::optional<int> status_;
};

}  // namespace rankpool::tools
