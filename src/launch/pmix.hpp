#pragma once

#include <string>
#include <vector>

/// The little of PMIx that a rank's keeper and the survivors of a loss need. The library is looked up when it is
/// needed: nothing links with it. Beside what stands here, the program has a PMIx_Notify_event of its own.
namespace rankpool::launch {

/// Why a rank's death cannot be hidden from the launcher here; empty if it can.
std::string pmix_trouble();
/// The connected stream sockets of this process, the PMIx connection among them.
std::vector<int> stream_sockets();
/// Leaves the job as PMIx sees it, without MPI_Finalize, which would wait for the dead.
void leave_by_pmix() noexcept;
/// In the keeper of a rank that died: enters and leaves the job in the rank's name, so that the launcher counts it as
/// properly ended. Done in a child of its own, which is given a few seconds; false if that failed.
bool finalize_for_dead_rank() noexcept;

}  // namespace rankpool::launch
