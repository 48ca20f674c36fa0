#include "base/memory_pressure.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace rankpool::base {
namespace {

using Content = std::function<std::string(const std::string&)>;

constexpr std::uint64_t kPartThatIsLittle = 16;

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The number behind `name` at the beginning of a line.
std::optional<std::uint64_t> number_behind(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, name.size(), name) != 0) continue;
    std::uint64_t number = 0;
    if (std::istringstream(line.substr(name.size())) >> number) return number;
  }
  return std::nullopt;
}
std::optional<std::uint64_t> number_in(const std::string& text) { return number_behind(text, ""); }

bool little(std::uint64_t left, std::uint64_t all) { return left < all / kPartThatIsLittle; }

/// A group without a limit has none of its files, or "max", or a number beyond all memory.
bool group_is_short(const Content& content_of, const std::string& group, bool v2) {
  const auto limit = number_in(content_of(group + (v2 ? "/memory.max" : "/memory.limit_in_bytes")));
  if (!limit || *limit > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 2) return false;
  const auto used = number_in(content_of(group + (v2 ? "/memory.current" : "/memory.usage_in_bytes")));
  if (!used) return false;
  const auto files =
      number_behind(content_of(group + "/memory.stat"), v2 ? "inactive_file " : "total_inactive_file ").value_or(0);
  const std::uint64_t taken = *used - std::min(files, *used);
  return little(*limit - std::min(taken, *limit), *limit);
}

}  // namespace

bool memory_is_short() { return memory_is_short(&content); }

bool memory_is_short(const Content& content_of) {
  const std::string node = content_of("/proc/meminfo");
  const auto all = number_behind(node, "MemTotal:");
  const auto available = number_behind(node, "MemAvailable:");
  if (all && available && little(*available, *all)) return true;
  std::istringstream groups(content_of("/proc/self/cgroup"));
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",memory,") == std::string::npos) continue;
    // A limit of a group counts for all below it.
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      if (group_is_short(content_of, (v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory") + path, v2)) return true;
      if (path.empty()) break;
    }
  }
  return false;
}

}  // namespace rankpool::base
