#include "base/cores.hpp"

#include "base/control_groups.hpp"
#include "base/slurm_list.hpp"

#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

namespace rankpool::base {
namespace {

double number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size() || *end == '\n';
  return error == std::errc() && whole ? value : 0;
}

int cores_of(double quota, double period) {
  if (!(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
  return std::max(1, static_cast<int>(std::ceil(quota / period)));
}

/// The smallest quota of this process's cgroup and those above it.
int cgroup_limit() {
  int limit = 0;
  const auto take = [&](int cores) {
    if (cores > 0 && (limit == 0 || cores < limit)) limit = cores;
  };
  const auto& content = content_of_file;
  visit_control_groups(content, "cpu", [&](const std::string& path, bool v2) {
    if (v2) {
      for (const auto* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
        take(quota_cores_v2(content(root + path + "/cpu.max")));
    } else {
      const std::string root = "/sys/fs/cgroup/cpu" + path;
      take(quota_cores_v1(content(root + "/cpu.cfs_quota_us"), content(root + "/cpu.cfs_period_us")));
    }
    return true;
  });
  return limit;
}

}  // namespace

int quota_cores_v2(const std::string& cpu_max) {
  std::istringstream text(cpu_max);
  std::string quota;
  std::string period;
  text >> quota >> period;
  return cores_of(number(quota), number(period));
}

int quota_cores_v1(const std::string& quota, const std::string& period) {
  return cores_of(number(quota), number(period));
}

CoreAllowance own_cores() {
  CoreAllowance allowance;
  // A set for far more cores than any node has: the kernel refuses one that is too small.
  constexpr std::size_t most = 8192;
  cpu_set_t* const set = CPU_ALLOC(most);
  const std::size_t size = CPU_ALLOC_SIZE(most);
  CPU_ZERO_S(size, set);
  if (::sched_getaffinity(0, size, set) == 0) {
    for (std::size_t core = 0; core < most; ++core) {
      if (CPU_ISSET_S(core, size, set)) allowance.cores.push_back(static_cast<std::uint32_t>(core));
    }
  }
  CPU_FREE(set);
  const long online = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));
  if (allowance.cores.empty()) {
    for (long core = 0; core < online; ++core) allowance.cores.push_back(static_cast<std::uint32_t>(core));
  }
  allowance.limit = cgroup_limit();
  allowance.slurm_cores =
      usable_slurm_cores(slurm_cores(environment), allowance.cores.size(), static_cast<std::size_t>(online));
  return allowance;
}

int slurm_cores(const Lookup& lookup) {
  if (!lookup("SLURM_JOB_ID")) return 0;
  const double cores = number(lookup("SLURM_CPUS_ON_NODE").value_or(""));
  return cores >= 1 && cores < 1e6 ? static_cast<int>(cores) : 0;
}

int usable_slurm_cores(int slurm, std::size_t mask, std::size_t node) {
  const bool bound = mask < node;
  return !bound || static_cast<std::size_t>(slurm) < mask ? slurm : 0;
}

int cores_together(const std::vector<CoreAllowance>& allowances) {
  std::set<std::uint32_t> all;
  int slurm = 0;
  int limit = 0;
  for (const auto& allowance : allowances) {
    all.insert(allowance.cores.begin(), allowance.cores.end());
    slurm = std::max(slurm, allowance.slurm_cores);
    limit = std::max(limit, allowance.limit);
  }
  const int cores = slurm > 0 ? slurm : std::max(1, static_cast<int>(all.size()));
  return limit > 0 ? std::min(cores, limit) : cores;
}

std::vector<int> share_cores(const std::vector<CoreAllowance>& allowances) {
  std::map<std::uint32_t, int> users;
  int slurm = 0;
  for (const auto& allowance : allowances) {
    for (const auto core : allowance.cores) ++users[core];
    slurm = std::max(slurm, allowance.slurm_cores);
  }
  // Slurm says how many, not which: each core counts for its part of them.
  const double worth = slurm > 0 && !users.empty() ? slurm / static_cast<double>(users.size()) : 1;
  std::vector<int> shares;
  std::map<std::vector<std::uint32_t>, int>
      alike;  // those with one and the same mask share what is left over, the first first
  for (const auto& allowance : allowances) {
    double part = 0;
    for (const auto core : allowance.cores) part += worth / users[core];
    auto sorted = allowance.cores;
    std::sort(sorted.begin(), sorted.end());
    const int number = alike[sorted]++;
    int among = 0;
    for (const auto& other : allowances) {
      auto mask = other.cores;
      std::sort(mask.begin(), mask.end());
      among += mask == sorted ? 1 : 0;
    }
    const int together = static_cast<int>(part * among + 1e-6);
    int share = together / among + (number < together % among ? 1 : 0);
    if (allowance.limit > 0) {
      const int quota = allowance.limit / among + (number < allowance.limit % among ? 1 : 0);
      share = std::min(share, quota);
    }
    shares.push_back(std::max(1, share));
  }
  return shares;
}

int ranks_on_node(const Lookup& lookup) {
  if (const auto here = lookup("OMPI_COMM_WORLD_LOCAL_SIZE")) return std::max(static_cast<int>(number(*here)), 1);
  std::int64_t most = 1;
  const auto nodes = read_slurm_list(lookup("SLURM_STEP_TASKS_PER_NODE").value_or(""));
  if (nodes) {
    for (const auto& node : *nodes) most = std::max(most, node.number);
  }
  return static_cast<int>(most);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace rankpool::base
