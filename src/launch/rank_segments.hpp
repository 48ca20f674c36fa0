#pragma once

#include <sys/types.h>
#include <string>
#include <vector>

namespace rankpool::launch {

/// A file in shared memory that a rank's MPI has made for the ranks of its node, /dev/shm/vader_segment.... It stays
/// when the rank dies before MPI_Finalize, until the node is rebooted, if nobody removes it.
struct RankSegment {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
};

/// Those of that process, which has the number `local_rank` on its node: what it has mapped is told by /proc.
std::vector<RankSegment> segments_of_rank(pid_t rank, int local_rank);
/// The same, of the text of a process's /proc/PID/maps.
std::vector<RankSegment> find_segments(const std::string& maps, int local_rank);
/// Removes what is left of them, and is still the same file.
void remove_segments(const std::vector<RankSegment>& segments) noexcept;

}  // namespace rankpool::launch
