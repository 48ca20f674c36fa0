#include "base/memory_pressure.hpp"

#include <algorithm>
#include <cstdint>

namespace rankpool::base {
namespace {

constexpr std::uint64_t kPartThatIsLittle = 16;

bool little(std::uint64_t left, std::uint64_t all) { return left < all / kPartThatIsLittle; }

bool group_is_short(const FileContent& content_of, const LimitedGroup& group) {
  const auto used =
      number_behind(content_of(group.folder + (group.v2 ? "/memory.current" : "/memory.usage_in_bytes")), "");
  if (!used) return false;
  const auto files =
      number_behind(content_of(group.folder + "/memory.stat"), group.v2 ? "inactive_file " : "total_inactive_file ")
          .value_or(0);
  const std::uint64_t taken = *used - std::min(files, *used);
  return little(group.limit - std::min(taken, group.limit), group.limit);
}

}  // namespace

bool memory_is_short() { return memory_is_short(&content_of_file); }

bool memory_is_short(const FileContent& content_of) {
  const std::string node = content_of("/proc/meminfo");
  const auto all = number_behind(node, "MemTotal:");
  const auto available = number_behind(node, "MemAvailable:");
  if (all && available && little(*available, *all)) return true;
  bool is_short = false;
  visit_limited_groups(content_of, [&](const LimitedGroup& group) {
    is_short = group_is_short(content_of, group);
    return !is_short;
  });
  return is_short;
}

}  // namespace rankpool::base
