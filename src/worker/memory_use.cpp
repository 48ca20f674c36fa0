#include "worker/memory_use.hpp"

#include "base/control_groups.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace rankpool::worker {
namespace {

/// The number behind "\nNAME:", which is in KiB there.
std::optional<std::uint64_t> bytes_of(std::string_view status, std::string_view name) noexcept {
  for (std::size_t at = 0; at < status.size();) {
    const std::string_view line = status.substr(at, status.find('\n', at) - at);
    at += line.size() + 1;
    if (!line.starts_with(name)) continue;
    const std::size_t digits = line.find_first_not_of(" \t", name.size());
    std::uint64_t kib = 0;
    if (digits == std::string_view::npos) return std::nullopt;
    const auto [end, error] = std::from_chars(line.data() + digits, line.data() + line.size(), kib);
    if (error != std::errc()) return std::nullopt;
    return kib << 10U;
  }
  return std::nullopt;
}

}  // namespace

std::optional<wire::MemoryHeader> memory_in_status(std::string_view status) noexcept {
  const auto resident = bytes_of(status, "VmRSS:");
  if (!resident) return std::nullopt;
  return wire::MemoryHeader{*resident, std::max(*resident, bytes_of(status, "VmHWM:").value_or(0))};
}

// Not getrusage: a process that was executed has the peak of what it was forked from there.
std::optional<wire::MemoryHeader> memory_of_this_process() {
  return memory_in_status(base::content_of_file("/proc/self/status"));
}

}  // namespace rankpool::worker
