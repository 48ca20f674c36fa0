#include "base/memory_pressure.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rankpool::base {
namespace {

using Files = std::map<std::string, std::string>;

bool short_with(const Files& files) {
  return memory_is_short([&](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? std::string() : found->second;
  });
}
Files node(long total, long available) {
  return {{"/proc/meminfo", "MemTotal:       " + std::to_string(total) +
                                " kB\nMemFree:         1 kB\nMemAvailable:   " + std::to_string(available) + " kB\n"}};
}
Files with(Files some, const Files& more) {
  some.insert(more.begin(), more.end());
  return some;
}

TEST(MemoryPressure, is_less_than_a_sixteenth_of_the_node_available) {
  EXPECT_FALSE(short_with(node(16'000'000, 1'000'000)));
  EXPECT_TRUE(short_with(node(16'000'000, 999'999)));
}

TEST(MemoryPressure, is_less_than_a_sixteenth_left_of_a_limit_of_the_group_or_one_above_it) {
  const Files plenty = with(node(1000, 900), {{"/proc/self/cgroup", "0::/job/step\n"}});
  EXPECT_FALSE(short_with(plenty));
  const Files limited = with(plenty, {{"/sys/fs/cgroup/job/memory.max", "1600\n"}});
  EXPECT_FALSE(short_with(with(limited, {{"/sys/fs/cgroup/job/memory.current", "1500\n"}})));
  EXPECT_TRUE(short_with(with(limited, {{"/sys/fs/cgroup/job/memory.current", "1501\n"}})));
  EXPECT_FALSE(short_with(
      with(plenty, {{"/sys/fs/cgroup/job/memory.max", "max\n"}, {"/sys/fs/cgroup/job/memory.current", "1501\n"}})));
}

TEST(MemoryPressure, does_not_count_what_can_be_read_again_from_files) {
  const Files files = with(node(1000, 900), {{"/proc/self/cgroup", "0::/\n"},
                                             {"/sys/fs/cgroup/memory.max", "1600\n"},
                                             {"/sys/fs/cgroup/memory.current", "1600\n"}});
  EXPECT_TRUE(short_with(files));
  EXPECT_FALSE(short_with(with(files, {{"/sys/fs/cgroup/memory.stat", "anon 5\nfile 200\ninactive_file 150\n"}})));
}

TEST(MemoryPressure, knows_the_first_version_of_groups_and_its_sign_for_no_limit) {
  const Files group = with(node(1000, 900), {{"/proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/job\n"},
                                             {"/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1599\n"}});
  EXPECT_TRUE(short_with(with(group, {{"/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1600\n"}})));
  EXPECT_FALSE(short_with(with(group, {{"/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n"}})));
}

TEST(MemoryPressure, is_none_where_nothing_can_be_read) {
  EXPECT_FALSE(short_with({}));
  EXPECT_FALSE(short_with({{"/proc/meminfo", "nonsense"}, {"/proc/self/cgroup", "nonsense\n0:\n::\n"}}));
}

}  // namespace
}  // namespace rankpool::base
