#pragma once

#include "tools/plan.hpp"
#include "tools/report_server.hpp"

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
/// @param asked_to_end  whether the user has interrupted the job: then there is nothing to explain
Verdict judge_ending(const Plan& plan, const RankZeroNews& news, int launcher_status, bool asked_to_end);

}  // namespace rankpool::tools
