#include <rankpool/run.hpp>

#include "base/log.hpp"
#include "base/settings.hpp"
#include "keeper/keeper.hpp"
#include "launch/launched.hpp"
#include "launch/own_facts.hpp"
#include "launch/rank_zero.hpp"
#include "launch/strays.hpp"
#include "liveness/socket_tools.hpp"

#include <rankpool/errors.hpp>

#include <sys/prctl.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace rankpool::launch {
namespace {

/// Started bare: this process stays rank 0, its child is the keeper, and MPI is not used.
int run_bare(int argc, char** argv, const base::Settings& settings, const std::function<int(int, char**)>& main) {
  keeper::KeeperPair pair = keeper::make_keeper_pair();
  const pid_t rank = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper < 0) throw std::system_error(errno, std::generic_category(), "rankpool: fork");
  if (keeper == 0) {
    ::setsid();
    ::prctl(PR_SET_NAME, "rankpool-keeper");
    pair.keep_keeper();
    keeper::KeeperDuties duties;
    duties.rank = rank;
    duties.rank_is_parent = true;
    duties.worker_main = serve_tasks;
    pair.keeper->run(std::move(duties));
    ::_exit(0);
  }
  pair.keep_link();
  engine::EngineOptions options;
  options.settings = settings;
  options.own = own_facts(keeper);
  if (settings.workers) options.own.facts.workers = *settings.workers;
  options.started_by = base::started_by(base::environment);
  options.host = std::make_unique<host::WorkerHost>(std::move(pair.link));
  options.disconnect = [keeper](bool) { await_end_of(keeper); };
  return serve_as_rank_zero(std::move(options), main, argc, argv);
}

/// Each of several processes would run the whole program, which is hardly what was meant. The first one says so.
void warn_of_strays() {
  const Strays strays = find_strays(base::environment);
  if (strays.count < 2 || strays.number != 0) return;
  base::log_warn(std::to_string(strays.count) +
                 " copies of this program were started that know nothing of each other: " + strays.advice);
}

}  // namespace
}  // namespace rankpool::launch

namespace rankpool::inline v0_2::detail {

int run_main(int argc, char** argv, const std::function<int(int, char**)>& main) {
  static std::atomic<bool> used{false};
  if (in_worker()) throw Error("rankpool::run() was called inside a task");
  if (used.exchange(true)) throw Error("rankpool::run() was called twice");
  if (!main) throw Error("rankpool::run() was given an empty function");
  std::cout.flush();
  std::fflush(nullptr);
  std::vector<std::string> warnings;
  const base::Settings settings = base::read_settings(warnings);
  if (auto text = liveness::interface_complaint(settings.interface); !text.empty()) warnings.push_back(std::move(text));
  base::set_log_level(settings.log_level);
  if (launch::is_launched()) return launch::run_launched(argc, argv, settings, warnings, main);
  for (const auto& warning : warnings) base::log_warn(warning);
  launch::warn_of_strays();
  return launch::run_bare(argc, argv, settings, main);
}

}  // namespace rankpool::inline v0_2::detail
