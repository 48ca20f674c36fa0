#include "tools/arguments.hpp"
#include "tools/launcher_process.hpp"
#include "tools/plan.hpp"
#include "tools/say.hpp"
#include "tools/supervise.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <variant>
#include <vector>

namespace rankpool::tools {
namespace {

/// mpirun ends its ranks within seconds of SIGTERM, and if it does not by then it never will.
constexpr std::chrono::seconds kMpirunTermPatience{10};

int start(const Plan& plan, const Request& request) {
  if (plan.launcher == Launcher::bare) {
    become(plan);
    const int error = errno;
    say("cannot start " + plan.command.front() + ": " + std::strerror(error));
    return static_cast<int>(error == ENOENT ? Status::missing : Status::not_executable);
  }
  Patience patience;
  patience.after_rank_0 = request.grace;
  if (plan.launcher == Launcher::mpirun) patience.after_users_term = kMpirunTermPatience;
  const char* const interface = std::getenv("RANKPOOL_INTERFACE");
  try {
    return supervise(plan, patience, interface == nullptr ? "" : interface);
  } catch (const std::exception& e) {
    say(e.what());
    return 1;
  }
}

int run(const std::vector<std::string>& arguments) {
  const auto parsed = parse_arguments(arguments);
  if (const auto* const leave = std::get_if<Leave>(&parsed)) {
    std::fputs(leave->text.c_str(), leave->status == 0 ? stdout : stderr);
    return leave->status;
  }
  const auto& request = std::get<Request>(parsed);
  const auto planned = make_plan(request.layout, real_surroundings());
  if (const auto* const refusal = std::get_if<Refusal>(&planned)) {
    say(refusal->text);
    return static_cast<int>(refusal->status);
  }
  const auto& plan = std::get<Plan>(planned);
  if (request.mode == Request::Mode::dry_run) {
    std::fputs(("# " + plan.reason + "\n" + shell_text(plan) + "\n").c_str(), stdout);
    return 0;
  }
  return start(plan, request);
}

/// A descriptor of ours that stood there would be taken for a standard stream by what is started.
void fill_standard_streams() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    ::close(fd);
    return;
  }
}

}  // namespace
}  // namespace rankpool::tools

int main(int argc, char** argv) {
  rankpool::tools::fill_standard_streams();
  return rankpool::tools::run(std::vector<std::string>(argv + 1, argv + argc));
}
