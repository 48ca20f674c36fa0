#include "launch/prepare.hpp"

#include "base/forked_copy.hpp"
#include "base/log.hpp"
#include "launch/launched.hpp"
#include "launch/start.hpp"
#include "transport/mpi_session.hpp"

#include <rankpool/errors.hpp>

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <iostream>
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
  serve_if_spawned("prepare");
  int initialized = 0;
  MPI_Initialized(&initialized);
  if (initialized != 0) throw Error("rankpool::prepare() has to be called before MPI is initialised");
  claim_start("prepare");
  std::cout.flush();
  std::fflush(nullptr);
  auto own = std::make_unique<Prepared>();
  std::vector<std::string> warnings;
  own->settings = start_settings(warnings);
  const base::Stock stock = start_stock("prepare", warnings);
  for (const auto& warning : warnings) base::log_warn(warning);
  OwnKeeper keeper = start_keeper(stock);
  own->keeper = keeper.process;
  own->owner = ::getpid();
  own->host = std::make_shared<host::WorkerHost>(std::move(keeper.link));
  base::watch_for_copies();
  slot() = own.release();
  transport::set_mpi_defaults();  // workers, which are the keeper's, do not see it
  std::atexit([] { let_keeper_go(); });
}

}  // namespace rankpool::inline v0_2
