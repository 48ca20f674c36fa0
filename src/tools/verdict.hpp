#pragma once

#include "tools/plan.hpp"
#include "tools/report_server.hpp"

#include <optional>
#include <string>

namespace rankpool::tools {

/// What rankpool-run returns, and what it has to say to that.
struct Verdict {
  int status = 0;
  std::string text;  ///< empty: nothing
};

/// As a shell gives it: the exit status, or 128 + signal.
int shell_status(int wait_status);

/// @param launcher_status  as waitpid gives it
/// @param asked_to_end  the signal by which the user has ended the job: then there is nothing to explain
Verdict judge_ending(const Plan& plan, const RankZeroNews& news, int launcher_status, std::optional<int> asked_to_end);

}  // namespace rankpool::tools
