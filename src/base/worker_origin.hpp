#pragma once

#include <cstdint>

namespace rankpool::base {

/// How a worker process comes to be.
enum class WorkerOrigin : std::uint8_t {
  forked,               ///< by the keeper, which never ran a thread or MPI
  forked_with_folders,  ///< the same, with folders of its own, which go with it (keeper/folders.hpp)
  spawned,              ///< a fresh execution of the program, whose `main` runs up to `run` or `prepare`
};
inline constexpr WorkerOrigin kLastOrigin = WorkerOrigin::spawned;

}  // namespace rankpool::base
