#include "launch/rank_segments.hpp"

#include "base/control_groups.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <sstream>

namespace rankpool::launch {
namespace {

/// vader_segment.HOST.USER.JOB.NUMBER of Open MPI 4, sm_segment.... of 5: the number is that of the rank on its node.
bool is_segment(const std::string& path, int local_rank) {
  const auto slash = path.rfind('/');
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (!name.starts_with("vader_segment.") && !name.starts_with("sm_segment.")) return false;
  return name.ends_with("." + std::to_string(local_rank));
}

}  // namespace

std::vector<RankSegment> find_segments(const std::string& maps, int local_rank) {
  std::vector<RankSegment> found;
  std::istringstream lines(maps);
  for (std::string line; std::getline(lines, line);) {
    // from-to permissions offset major:minor inode path
    const auto at = line.find('/');
    unsigned major = 0;
    unsigned minor = 0;
    unsigned long inode = 0;
    if (at == std::string::npos || std::sscanf(line.c_str(), "%*s %*s %*s %x:%x %lu", &major, &minor, &inode) != 3) {
      continue;
    }
    RankSegment segment{line.substr(at), makedev(major, minor), inode};
    if (!is_segment(segment.path, local_rank)) continue;
    const bool known =
        std::any_of(found.begin(), found.end(), [&](const auto& one) { return one.path == segment.path; });
    if (!known) found.push_back(std::move(segment));
  }
  return found;
}

std::vector<RankSegment> segments_of_rank(pid_t rank, int local_rank) {
  return find_segments(base::content_of_file("/proc/" + std::to_string(rank) + "/maps"), local_rank);
}

void remove_segments(const std::vector<RankSegment>& segments) noexcept {
  for (const auto& segment : segments) {
    struct stat facts {};
    if (::lstat(segment.path.c_str(), &facts) != 0) continue;
    if (facts.st_dev == segment.device && facts.st_ino == segment.inode) ::unlink(segment.path.c_str());
  }
}

}  // namespace rankpool::launch
