#include <rankpool/run.hpp>

#include "base/forked_copy.hpp"
#include "base/inheritance.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/settings.hpp"
#include "keeper/keeper.hpp"
#include "launch/keeper_process.hpp"
#include "launch/launched.hpp"
#include "launch/own_facts.hpp"
#include "launch/rank_zero.hpp"
#include "launch/strays.hpp"
#include "launch/thread_libraries.hpp"
#include "liveness/socket_tools.hpp"

#include <rankpool/errors.hpp>

#include <sys/prctl.h>
#include <unistd.h>
#include <atomic>
#include <cstdio>
#include <exception>
#include <iostream>
#include <utility>

namespace rankpool::launch {
namespace {

/// The keeper's life.
[[noreturn]] void keep(keeper::KeeperPair& pair, pid_t program, const base::Stock& stock) {
  ::setsid();
  ::prctl(PR_SET_NAME, "rankpool-keeper");
  try {
    pair.keep_keeper();
    keeper::KeeperDuties duties;
    duties.stock = stock;
    duties.rank = program;
    duties.rank_is_parent = true;
    duties.worker_main = serve_tasks;
    pair.keeper->run(std::move(duties));
    ::_exit(0);
  } catch (const std::exception& e) {
    base::log_error("the keeper cannot go on: " + base::explain(e));
  }
  ::_exit(1);
}

/// Started bare: this process stays rank 0, another is the keeper, and MPI is not used.
int run_bare(int argc, char** argv, const base::Settings& settings, const base::Stock& stock,
             const std::function<int(int, char**)>& main) {
  engine::EngineOptions options;
  try {
    keeper::KeeperPair pair = keeper::make_keeper_pair();
    const pid_t program = ::getpid();
    const KeeperProcess keeper = fork_keeper(stock.other_threads);
    if (keeper.pid == 0) keep(pair, program, stock);
    pair.keep_link();
    options.settings = settings;
    options.own = own_facts(keeper.pid);
    if (settings.workers) options.own.facts.workers = *settings.workers;
    options.started_by = base::started_by(base::environment);
    options.host = std::make_unique<host::WorkerHost>(std::move(pair.link));
    options.disconnect = [keeper](bool) { await_end_of(keeper); };
  } catch (const std::exception& e) {
    return cannot_start(e);
  }
  base::watch_for_copies();
  return serve_as_rank_zero(std::move(options), main, argc, argv);
}

/// Each of several processes would run the whole program, which is hardly what was meant. The first one says so.
void warn_of_strays() {
  const Strays strays = find_strays(base::environment);
  if (strays.count < 2 || strays.number != 0) return;
  base::log_warn(std::to_string(strays.count) +
                 " copies of this program were started that know nothing of each other: " + strays.advice);
}

std::string thread_warning(int number) {
  return std::to_string(number) + (number == 1 ? " thread was" : " threads were") +
         " there before rankpool::run(): workers, which are forked, do not have " + (number == 1 ? "it" : "them") +
         ", and what it may have held locked stays locked there; call run() first";
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
  launch::end_idle_openmp_threads();
  launch::note_thread_numbers();
  const base::Stock stock = base::take_stock();
  if (stock.other_threads > 0) warnings.push_back(launch::thread_warning(stock.other_threads));
  if (launch::is_launched()) return launch::run_launched(argc, argv, settings, warnings, stock, main);
  for (const auto& warning : warnings) base::log_warn(warning);
  launch::warn_of_strays();
  return launch::run_bare(argc, argv, settings, stock, main);
}

}  // namespace rankpool::inline v0_2::detail
