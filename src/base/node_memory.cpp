#include "base/node_memory.hpp"

#include "base/cores.hpp"
#include "base/slurm_list.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <sstream>
#include <string_view>

namespace rankpool::base {
namespace {

constexpr std::uint64_t kKib = 1024;
constexpr std::uint64_t kMib = kKib * kKib;

/// A group without a limit has none of its files, or "max", or a number beyond all memory.
std::optional<std::uint64_t> limit_of(const FileContent& content_of, const std::string& folder, bool v2) {
  const auto limit = number_behind(content_of(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes")), "");
  const bool is_limit = limit && *limit <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 2;
  return is_limit ? limit : std::nullopt;
}

/// Of a node, for the job, in bytes; none outside of a job, and where all of the node is the job's.
std::optional<std::uint64_t> slurm_memory(const Lookup& lookup) {
  if (!lookup("SLURM_JOB_ID")) return std::nullopt;
  if (const auto node = slurm_number(lookup("SLURM_MEM_PER_NODE").value_or("")); node && *node > 0) {
    return static_cast<std::uint64_t>(*node) * kMib;
  }
  const auto each = slurm_number(lookup("SLURM_MEM_PER_CPU").value_or(""));
  const int cores = slurm_cores(lookup);
  if (!each || *each <= 0 || cores == 0) return std::nullopt;
  return static_cast<std::uint64_t>(*each) * static_cast<std::uint64_t>(cores) * kMib;
}

}  // namespace

std::optional<std::uint64_t> number_behind(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, name.size(), name) != 0) continue;
    std::uint64_t number = 0;
    if (std::istringstream(line.substr(name.size())) >> number) return number;
  }
  return std::nullopt;
}

void visit_limited_groups(const FileContent& content_of, const std::function<bool(const LimitedGroup&)>& visit) {
  visit_control_groups(content_of, "memory", [&](const std::string& path, bool v2) {
    const std::string folder = (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory") + path;
    const auto limit = limit_of(content_of, folder, v2);
    return !limit || visit({folder, v2, *limit});
  });
}

std::uint64_t memory_of_job() { return memory_of_job(&content_of_file, environment); }

std::uint64_t memory_of_job(const FileContent& content_of, const Lookup& lookup) {
  constexpr std::uint64_t unknown = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t memory = unknown;
  if (const auto node = number_behind(content_of("/proc/meminfo"), "MemTotal:")) memory = *node * kKib;
  if (const auto given = slurm_memory(lookup)) memory = std::min(memory, *given);
  visit_limited_groups(content_of, [&](const LimitedGroup& group) {
    memory = std::min(memory, group.limit);
    return true;
  });
  return memory == unknown ? 0 : memory;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
  double number = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; number >= 1024 && unit + 1 < units.size(); ++unit) number /= 1024;
  std::array<char, 32> text{};
  const bool whole = number == static_cast<double>(static_cast<std::uint64_t>(number));
  std::snprintf(text.data(), text.size(), whole ? "%.0f " : "%.1f ", number);
  return text.data() + std::string(units[unit]);
}

}  // namespace rankpool::base
