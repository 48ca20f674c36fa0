#pragma once

#include "process/worker.hpp"

namespace rankpool::launch {

/// How worker processes find tasks, encode exceptions and learn who they are.
const process::WorkerHooks& task_hooks();
/// Marks this process as a worker, before anything of the user's runs in it.
void become_worker();

}  // namespace rankpool::launch
