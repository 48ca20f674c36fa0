#pragma once

#include "worker/worker.hpp"

namespace rankpool::launch {

/// How worker processes find tasks, encode exceptions and learn who they are.
const worker::WorkerHooks& task_hooks();
/// Marks this process as a worker, before anything of the user's runs in it. The page must stay mapped.
void become_worker(const channel::RankPage& page);

}  // namespace rankpool::launch
