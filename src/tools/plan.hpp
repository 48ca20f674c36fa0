#pragma once

#include "tools/surroundings.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// What rankpool-run is to start: decided from what the user asks and what the surroundings are. Starts nothing itself.
namespace rankpool::tools {

/// How the ranks are started. `bare`: no launcher, the program is its only rank and finds the cores of this machine
/// itself.
enum class Launcher { bare, mpirun, srun };

/// What the user asks.
struct Layout {
  std::optional<int> ranks;
  std::optional<int> workers;  ///< for each rank
  std::string hostfile;
  std::optional<Launcher> launcher;  ///< none: chosen
  std::vector<std::string> launcher_options;
  std::vector<std::string> program;  ///< with its arguments; not empty
};

struct Plan {
  Launcher launcher = Launcher::bare;
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> set;  ///< in the command's environment
  std::vector<std::string> unset;
  /// Whether a launcher that says 0 is to be believed when rank 0 has not reported.
  enum class Zero { believed, doubted } zero = Zero::believed;
  std::string reason;              ///< why this launcher, in one line
  std::string advice_on_no_start;  ///< what to do if rank 0 never begins
};

/// Exit statuses of rankpool-run's own errors, as shells have them.
enum class Status : int { usage = 2, not_executable = 126, missing = 127 };

/// Why there is no plan.
struct Refusal {
  Status status = Status::usage;
  std::string text;
};

std::variant<Plan, Refusal> make_plan(const Layout& layout, const Surroundings& around);

/// The command with its environment as a shell would take it.
std::string shell_text(const Plan& plan);

}  // namespace rankpool::tools
