#pragma once

namespace rankpool::inline v0_2 {

/// How the workers of an executor or pool are launched. Python: the context of `multiprocessing`.
enum class MpContext {
  /// Forked by the rank's keeper, a process that never ran a thread or MPI: they have what the program had when it
  /// called `run`. The quickest.
  forkserver,
  /// A fresh execution of the program, with its arguments and environment: its `main` runs up to `run` (or `prepare`)
  /// and serves there. For libraries that do not bear a fork. What `main` does before `run`, output too, is done in
  /// each worker.
  spawn,
  /// The MPI process of a rank itself, one task at a time on its main thread: for tasks that use MPI, a GPU context or
  /// memory of that rank. With CommExecutor only (<rankpool/mpi.hpp>). Nothing protects the rank: a crash there is the
  /// crash of a rank.
  in_rank,
};

}  // namespace rankpool::inline v0_2
