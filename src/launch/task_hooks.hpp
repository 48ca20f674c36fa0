#pragma once

#include "process/worker.hpp"

namespace rankpool::launch {

/// How worker processes find tasks, encode exceptions and learn who they are.
const process::WorkerHooks& task_hooks();
/// Marks this process as a worker, before anything of the user's runs in it. The page must stay mapped.
void become_worker(const process::RankPage& page);

}  // namespace rankpool::launch
