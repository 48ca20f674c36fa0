#pragma once

#include <string>

/// A process that the program's own code forks, in `main` or in a task, has a copy of everything, but none of what the
/// copy stands for: no engine thread, no worker, no place in the job. It must touch no channel and wait for nobody.
namespace rankpool::base {

/// From now on processes forked from this one know that they are copies. In the rank and in each worker, after the
/// library's own forks.
void watch_for_copies() noexcept;
/// True in a process that was forked from a rank or a worker by the user's code. Cheap.
[[nodiscard]] bool is_forked_copy() noexcept;
/// What to say of it: "... cannot be used in a process that was forked from a rankpool program: ...".
std::string copy_complaint(const std::string& what);

}  // namespace rankpool::base
