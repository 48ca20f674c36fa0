#pragma once

#include <sys/types.h>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

namespace detail {
/// What `run` is once its argument has one type.
int run_main(int argc, char** argv, const std::function<int(int, char**)>& main);
}  // namespace detail

/// Runs `main` on rank 0, and makes every other rank serve tasks until it is done. Python's counterpart is
/// `if __name__ == "__main__"`.
///
/// Call it first thing in `main()`: before any thread is started, output is buffered, or MPI is initialised. Started
/// bare the process is rank 0 and MPI is not used; under mpirun or srun the launcher's processes are the ranks.
///
/// @param main  callable as `int(int, char**)`, `int()` or `void()`; it may not be empty
/// @return on rank 0 what `main` returned (0 for void), elsewhere 0. An exception that leaves `main` is printed to
/// stderr and
///   gives 1. Executors that are still open finish their work first, pools are terminated.
/// @throws Error if it is called twice or inside a task
template <class Main>
int run(int argc, char** argv, Main&& main) {
  if constexpr (std::is_invocable_v<Main&, int, char**>) {
    static_assert(std::is_same_v<std::invoke_result_t<Main&, int, char**>, int>,
                  "rankpool: the function given to run() takes (int, char**) and returns int");
    return detail::run_main(argc, argv, std::ref(main));
  } else {
    static_assert(std::is_invocable_v<Main&>,
                  "rankpool: the function given to run() must be callable as int(int, char**), int() or void()");
    return detail::run_main(argc, argv, [&main](int, char**) -> int {
      if constexpr (std::is_void_v<std::invoke_result_t<Main&>>) {
        main();
        return 0;
      } else {
        return main();
      }
    });
  }
}

/// A worker process, seen from inside.
struct WorkerInfo {
  int id = -1;       ///< number of the worker, never used twice in a job
  int rank = -1;     ///< MPI rank that it belongs to
  std::string host;  ///< name of its node
  pid_t pid = 0;     ///< its process id on that node
};

/// True in a worker process: inside a task or an initializer.
[[nodiscard]] bool in_worker() noexcept;

/// The worker process that this is. Python: `multiprocessing.current_process()`.
/// @throws Error outside of a worker
[[nodiscard]] const WorkerInfo& this_worker();

/// True once the program is asked to stop: SIGINT, SIGTERM or SIGUSR1 has come to rank 0, as Ctrl-C, `scancel` or
/// Slurm's `--signal=USR1@300` send them. In tasks too, on every rank. Thread-safe.
///
/// A program that asks takes the stopping upon itself: from its first call on (or its first executor with
/// `OnStop::finish_running`) rank 0 is not ended by the first of these signals, but still at once by a second.
[[nodiscard]] bool stop_requested() noexcept;

/// One rank of the job.
struct RankInfo {
  int rank = 0;
  std::string host;      ///< name of its node
  pid_t pid = 0;         ///< its MPI process (rank 0: this process)
  pid_t keeper_pid = 0;  ///< its keeper, the parent of its workers
  int workers = 0;       ///< how many workers it can hold
  bool alive = true;
};

/// The ranks of the job, by number. Thread-safe.
/// @throws Error outside of `run` or in a worker
[[nodiscard]] std::vector<RankInfo> ranks();

}  // namespace rankpool::inline v0_2
