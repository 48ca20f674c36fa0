#include "tools/info_facts.hpp"

#include "base/cores.hpp"
#include "liveness/socket_tools.hpp"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <algorithm>
#include <exception>
#include <fstream>

namespace rankpool::tools {
namespace {

std::uint64_t limit_of(__rlimit_resource what) {
  rlimit limit{};
  return ::getrlimit(what, &limit) == 0 ? std::uint64_t{limit.rlim_max} : std::uint64_t{RLIM_INFINITY};
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

std::optional<std::uint64_t> available_memory() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
  }
  return std::nullopt;
}

/// What the memory limits of this process's cgroup and of those above it leave.
std::optional<std::uint64_t> memory_left_by_cgroups() {
  std::optional<std::uint64_t> least;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const bool v2 = line.starts_with("0::");
    const auto colon = line.rfind(':');
    if (!v2 && line.find(":memory:") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    for (std::string path = line.substr(colon + 1);; path.resize(path.rfind('/'))) {
      const auto limit = number_in(root + path + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
      const auto used = number_in(root + path + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
      if (limit && used) least = std::min(least.value_or(UINT64_MAX), *limit - std::min(*limit, *used));
      if (path.empty() || path == "/") break;
    }
  }
  return least;
}

}  // namespace

NodeFacts read_node_facts() {
  NodeFacts facts;
  base::CoreAllowance allowance = base::own_cores();
  facts.cores = std::move(allowance.cores);
  facts.core_limit = allowance.limit;
  facts.slurm_cores = allowance.slurm_cores;
  facts.cores_of_node = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  facts.memory_free = available_memory();
  if (const auto left = memory_left_by_cgroups(); left && facts.memory_free)
    facts.memory_free = std::min(*facts.memory_free, *left);
  struct statvfs shm {};
  if (::statvfs("/dev/shm", &shm) == 0) facts.shm_free = std::uint64_t{shm.f_bavail} * shm.f_frsize;
  facts.open_files = limit_of(RLIMIT_NOFILE);
  facts.processes = limit_of(RLIMIT_NPROC);
  try {
    facts.addresses = liveness::own_addresses("");
  } catch (const std::exception&) {  // none, then
  }
  std::erase_if(facts.addresses, [](const std::string& one) { return one.starts_with("127.") || one == "::1"; });
  return facts;
}

}  // namespace rankpool::tools
