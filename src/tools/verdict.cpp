#include "tools/verdict.hpp"

#include "base/wait_status.hpp"

#include <sys/wait.h>
#include <csignal>

namespace rankpool::tools {

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Verdict judge_ending(const Plan& plan, const RankZeroNews& news, int launcher_status, std::optional<int> asked_to_end) {
  if (news.wait_status) return {shell_status(*news.wait_status), ""};
  // An mpirun that is told to end may kill rank 0's keeper before that can report.
  if (asked_to_end) return {128 + *asked_to_end, ""};
  const int own = shell_status(launcher_status);
  const std::string& launcher = plan.command.front();
  if (!news.lost.empty()) {
    return {own != 0 ? own : 128 + SIGKILL, "rank 0 is lost, with its keeper or its whole node: " + news.lost};
  }
  const std::string ended = launcher + " " + base::how_it_ended(launcher_status).text;
  if (own != 0) {
    std::string text = ended + " and rank 0 did not report. What " + launcher + " has to say stands above.";
    if (!plan.advice_on_no_start.empty()) text += " " + plan.advice_on_no_start;
    return {own, text};
  }
  if (plan.zero == Plan::Zero::believed) return {0, ""};
  return {1, ended + ", but rank 0 did not report how it ended, and " + launcher +
                 " says 0 whatever happens. Is this a rankpool program, and did it reach rankpool::run?"};
}

}  // namespace rankpool::tools
