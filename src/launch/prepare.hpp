#pragma once

#include "base/settings.hpp"
#include "host/worker_host.hpp"
#include "launch/keeper_process.hpp"

#include <sys/types.h>
#include <memory>

namespace rankpool::launch {

/// What `prepare` leaves for the executors of a program that uses MPI itself. One at a time uses it.
struct Prepared {
  base::Settings settings;
  std::shared_ptr<host::WorkerHost> host;  ///< this process's own workers
  KeeperProcess keeper{};
  pid_t owner = 0;  ///< the process that called it
};

/// Null before `prepare`.
Prepared* prepared() noexcept;

}  // namespace rankpool::launch
