#pragma once

#include "base/settings.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace rankpool::base {

/// What a process may use of its node.
struct CoreAllowance {
  std::vector<std::uint32_t> cores;  ///< numbers, as the affinity mask has them
  int limit = 0;                     ///< as many of them as it may keep busy (cgroup quota); 0: all
  /// As many as Slurm gives the job on this node, if the mask does not say it: Slurm binds only where it is told to.
  int slurm_cores = 0;
};

/// This process's allowance: affinity mask, cgroup quota and Slurm's word. What cannot be read is no limit.
CoreAllowance own_cores();
/// The cores that the Slurm job, or its step, has on this node; 0 outside of a job.
int slurm_cores(const Lookup& lookup);
/// `CoreAllowance::slurm_cores` of a process with so many cores in its mask, on a node that has so many. A narrower
/// mask is a binding, and counts; a mask of all cores may have more than the job, or fewer if Slurm's nodes are virtual
/// ones.
int usable_slurm_cores(int slurm, std::size_t mask, std::size_t node);
/// The cores that a quota text allows, rounded up, at least 1; 0 if it allows any number or makes no sense.
/// `v2`: the content of cpu.max. `v1`: cpu.cfs_quota_us and cpu.cfs_period_us.
int quota_cores_v2(const std::string& cpu_max);
int quota_cores_v1(const std::string& quota, const std::string& period);
/// How many cores the processes on one node have together.
int cores_together(const std::vector<CoreAllowance>& allowances);
/// How many workers each of the processes on one node gets: a core counts in equal parts for all that may use it. At
/// least 1.
std::vector<int> share_cores(const std::vector<CoreAllowance>& allowances);
/// How many ranks of this job are on this node, as the launcher says; 1 if it does not. Of Slurm's nodes the fullest
/// counts.
int ranks_on_node(const Lookup& lookup);
/// The name of this node.
std::string host_name();

}  // namespace rankpool::base
