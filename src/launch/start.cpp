#include "launch/start.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "keeper/spawned_worker.hpp"
#include "launch/launched.hpp"
#include "launch/report.hpp"
#include "launch/thread_libraries.hpp"
#include "liveness/socket_tools.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

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

std::string thread_warning(const std::string& call, int number) {
  return std::to_string(number) + (number == 1 ? " thread was" : " threads were") + " there before " + call +
         ": workers, which are forked, do not have " + (number == 1 ? "it" : "them") +
         ", and what it may have held locked stays locked there; call it first";
}

}  // namespace

void serve_if_spawned(const char* name) {
  try {
    auto own = keeper::take_handover();
    if (!own) return;
    claim_start(name);
    ::prctl(PR_SET_NAME, "rankpool-worker");  // exec has taken that away
    std::cout.flush();
    std::fflush(nullptr);
    std::vector<std::string> warnings;  // have been given where the program was started
    start_settings(warnings);
    note_thread_numbers();
    base::give_signals(base::take_stock(), base::Heir::worker);
    take_report_variable();
    serve_tasks(std::move(own->channel), own->page, own->wake);
  } catch (const std::exception& e) {
    base::log_error("a worker cannot start: " + base::explain(e));
  }
  ::_exit(1);
}

void claim_start(const char* name) {
  static std::atomic<const char*> used{nullptr};
  const std::string call = std::string("rankpool::") + name + "()";
  if (in_worker()) throw Error(call + " was called inside a task");
  const char* const before = used.exchange(name);
  if (before == nullptr) return;
  if (std::string(before) == name) throw Error(call + " was called twice");
  throw Error(call + " was called after rankpool::" + before + "(): they exclude each other");
}

base::Settings start_settings(std::vector<std::string>& warnings) {
  const base::Settings settings = base::read_settings(warnings);
  if (auto text = liveness::interface_complaint(settings.interface); !text.empty()) warnings.push_back(std::move(text));
  base::set_log_level(settings.log_level);
  return settings;
}

base::Stock start_stock(const char* name, std::vector<std::string>& warnings) {
  end_idle_openmp_threads();
  note_thread_numbers();
  const base::Stock stock = base::take_stock();
  if (stock.other_threads > 0) {
    warnings.push_back(thread_warning(std::string("rankpool::") + name + "()", stock.other_threads));
  }
  return stock;
}

OwnKeeper start_keeper(const base::Stock& stock) {
  keeper::KeeperPair pair = keeper::make_keeper_pair();
  const pid_t program = ::getpid();
  const KeeperProcess process = fork_keeper(stock.other_threads);
  if (process.pid == 0) keep(pair, program, stock);
  pair.keep_link();
  return {process, std::move(pair.link)};
}

}  // namespace rankpool::launch
