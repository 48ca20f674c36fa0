#include <rankpool/run.hpp>

#include "base/forked_copy.hpp"
#include "base/inheritance.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/settings.hpp"
#include "keeper/keeper.hpp"
#include "launch/keeper_process.hpp"
#include "launch/launched.hpp"
#include "launch/local_rank_info.hpp"
#include "launch/rank_zero.hpp"
#include "launch/start.hpp"
#include "launch/uncoordinated.hpp"

#include <rankpool/errors.hpp>

#include <sys/prctl.h>
#include <unistd.h>
#include <cstdio>
#include <exception>
#include <iostream>
#include <utility>

namespace rankpool::launch {
namespace {

/// Started bare: this process stays rank 0, another is the keeper, and MPI is not used.
int run_bare(int argc, char** argv, const base::Settings& settings, const base::Stock& stock,
             const std::function<int(int, char**)>& main) {
  engine::EngineOptions options;
  try {
    OwnKeeper own = start_keeper(stock);
    own.link->keep_page_to_itself();
    const KeeperProcess keeper = own.process;
    options.settings = settings;
    options.own = local_rank_info(keeper.pid);
    if (settings.workers) options.own.facts.workers = *settings.workers;
    options.started_by = base::started_by(base::environment);
    options.terminal_lines = &own.link->page().terminal_lines;
    options.host = std::make_unique<host::WorkerHost>(std::move(own.link));
    options.disconnect = [keeper](bool) { await_end_of(keeper); };
  } catch (const std::exception& e) {
    return cannot_start(e);
  }
  base::watch_for_copies();
  return serve_as_rank_zero(std::move(options), main, argc, argv);
}

/// Each of several processes would run the whole program, which is hardly what was meant. The first one says so.
void warn_of_uncoordinated() {
  const Uncoordinated uncoordinated = find_uncoordinated(base::environment);
  if (uncoordinated.count < 2 || uncoordinated.number != 0) return;
  base::log_warn(std::to_string(uncoordinated.count) +
                 " copies of this program were started that know nothing of each other: " + uncoordinated.advice);
}

}  // namespace
}  // namespace rankpool::launch

namespace rankpool::inline v0_2::detail {

int run_main(int argc, char** argv, const std::function<int(int, char**)>& main) {
  launch::serve_if_spawned("run");
  launch::claim_start("run");
  if (!main) throw Error("rankpool::run() was given an empty function");
  std::cout.flush();
  std::fflush(nullptr);
  std::vector<std::string> warnings;
  const base::Settings settings = launch::start_settings(warnings);
  const base::Stock stock = launch::start_stock("run", warnings);
  if (launch::is_launched()) return launch::run_launched(argc, argv, settings, warnings, stock, main);
  for (const auto& warning : warnings) base::log_warn(warning);
  launch::warn_of_uncoordinated();
  return launch::run_bare(argc, argv, settings, stock, main);
}

}  // namespace rankpool::inline v0_2::detail
