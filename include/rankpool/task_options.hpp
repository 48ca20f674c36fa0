#pragma once

#include <optional>
#include <vector>

namespace rankpool::inline v0_2 {

/// What one task is to have that the others of its executor need not: `executor.submit({.ranks = 4}, f, x)`.
struct TaskOptions {
  /// Processes that run the task together, as an MPI job of their own: `f(const boost::mpi::communicator&, args...)`,
  /// see <rankpool/mpi.hpp>. Below 1, or more than the executor has workers: std::invalid_argument.
  int ranks = 1;
  /// With OnWorkerDeath::replace: how often it is tried again if it was lost with its worker. Default: the executor's.
  /// Below 0: std::invalid_argument.
  std::optional<int> max_retries = std::nullopt;
  /// Ranks on whose nodes it is run only where no other node has a worker of the executor: those where it has failed.
  /// It waits for a worker elsewhere while what comes after it is run. Default: none, any worker will do. With `ranks`
  /// for several: std::invalid_argument.
  std::vector<int> avoid_ranks = {};
};

}  // namespace rankpool::inline v0_2
