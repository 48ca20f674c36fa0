#pragma once

#include "worker/worker.hpp"

namespace rankpool::launch {

/// How worker processes find tasks, encode exceptions and learn who they are.
const worker::WorkerHooks& task_hooks();
/// Marks this process as a worker, before anything of the user's runs in it. The page must stay mapped.
void become_worker(const channel::RankPage& page);

/// The same hooks for a worker that is a rank itself: they leave alone what is the program's, its threads and signals.
const worker::WorkerHooks& hooks_in_rank();
/// While it lives this process, or this thread, counts as a worker. The page must stay mapped.
class RoleInRank {
 public:
  RoleInRank(const channel::RankPage& page, worker::Extent extent);
  RoleInRank(const RoleInRank&) = delete;
  RoleInRank& operator=(const RoleInRank&) = delete;
  ~RoleInRank();

 private:
  const worker::Extent extent_;
};

}  // namespace rankpool::launch
