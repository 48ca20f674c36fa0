#pragma once

#include <rankpool/timeout.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::inline v0_2 {

/// What one task is to have that the others of its executor need not: `executor.submit({.priority = 1}, f, x)`. Every
/// member has a default, so any may be named alone, in this order.
struct TaskOptions {
  /// What the task is called in progress, traces, insights and the texts of errors. Default: what its function is
  /// called.
  std::string name = {};
  /// Processes that run the task together, as an MPI job of their own: `f(const boost::mpi::communicator&, args...)`,
  /// see <rankpool/mpi.hpp>. Below 1, or more than the executor has workers: std::invalid_argument.
  int ranks = 1;
  /// Of what waits the highest goes first; equal ones go in the order in which they were submitted. What a worker has
  /// been handed already stays before it, and so does what is tried again. Default: 0.
  int priority = 0;
  /// With OnWorkerDeath::replace: how often it is tried again if it was lost with its worker. Default: the executor's.
  /// Below 0: std::invalid_argument.
  std::optional<int> max_retries = std::nullopt;
  /// How long it may run: as ExecutorOptions::task_timeout, in place of it. At or below zero: std::invalid_argument.
  Timeout task_timeout = {};
  /// Bytes that the task needs at its peak. So many tasks run at a time on a node as the memory that the job has there
  /// holds, together with what others have said to need; the others wait, in order. With `ranks` each process counts as
  /// an equal part. What is not told of counts as nothing, and nothing keeps a task from taking more. Zero, or more
  /// than a node of the job has: std::invalid_argument. Default: not told.
  std::optional<std::size_t> memory = std::nullopt;
  /// Ranks on whose nodes it is run only where no other node has a worker of the executor: those where it has failed.
  /// It waits for a worker elsewhere while what comes after it is run. Default: none, any worker will do. With `ranks`
  /// for several: std::invalid_argument.
  std::vector<int> avoid_ranks = {};
};

}  // namespace rankpool::inline v0_2
