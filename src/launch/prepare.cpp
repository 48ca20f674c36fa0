#include "launch/prepare.hpp"

#include "base/log.hpp"
#include "keeper/keeper.hpp"
#include "launch/launched.hpp"
#include "launch/start.hpp"

#include <rankpool/errors.hpp>

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <sys/prctl.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <system_error>
#include <utility>

namespace rankpool::launch {
namespace {

Prepared*& slot() noexcept {
  static Prepared* prepared = nullptr;
  return prepared;
}

/// Lets the keeper go, and waits for it: nothing of the library is left behind.
void let_keeper_go() noexcept {
  Prepared* const own = std::exchange(slot(), nullptr);
  if (own == nullptr) return;
  if (own->owner != ::getpid()) return;  // a process that the program has forked
  own->host.reset();
  await_end_of(own->keeper);
}

}  // namespace

Prepared* prepared() noexcept { return slot(); }

}  // namespace rankpool::launch

namespace rankpool::inline v0_2 {

// Declared in rankpool/mpi.hpp, which would bring Boost.MPI.
void prepare(int argc, char** argv);

void prepare(int /*argc*/, char** /*argv*/) {
  using namespace launch;
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) throw Error("rankpool::prepare() has to be called before MPI is initialised");
  claim_start("prepare");
  std::cout.flush();
  std::fflush(nullptr);
  auto own = std::make_unique<Prepared>();
  std::vector<std::string> warnings;
  own->settings = start_settings(warnings);
  for (const auto& warning : warnings) base::log_warn(warning);
  keeper::KeeperPair pair = keeper::make_keeper_pair();
  const pid_t rank = own->owner = ::getpid();
  own->keeper = ::fork();
  if (own->keeper < 0) throw std::system_error(errno, std::generic_category(), "rankpool: fork");
  if (own->keeper == 0) {
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
  own->host = std::make_shared<host::WorkerHost>(std::move(pair.link));
  slot() = own.release();
  std::atexit([] { let_keeper_go(); });
}

}  // namespace rankpool::inline v0_2
