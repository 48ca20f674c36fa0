#pragma once

#include <sys/types.h>

namespace rankpool::launch {

/// The keeper of a program that was started bare, as the program sees it: a child that `wait` does not find, so that
/// `while (wait(nullptr) > 0)` in `main` ends, and for which no SIGCHLD comes.
struct KeeperProcess {
  pid_t pid = -1;  ///< 0 in the keeper itself
  int watch = -1;  ///< a pidfd; -1 where the kernel has none, or where there is no descriptor left
};

/// Makes that process, from the calling one.
/// @param other_threads  how many this one has besides the caller, or base::kThreadsUnknown
/// @throws std::system_error
KeeperProcess fork_keeper(int other_threads);

/// Waits until it has ended, and reaps it where that is ours to do. Whatever becomes of SIGCHLD here.
void await_end_of(const KeeperProcess& keeper);

}  // namespace rankpool::launch
