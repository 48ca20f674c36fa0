#include "base/node_memory.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

namespace rankpool::base {
namespace {

using Texts = std::map<std::string, std::string>;
constexpr std::uint64_t kGib = std::uint64_t{1} << 30U;

std::uint64_t memory_with(const Texts& files, const Texts& variables = {}) {
  const auto content_of = [&](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? std::string() : found->second;
  };
  const auto lookup = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return memory_of_job(content_of, lookup);
}

const Texts kNode{{"/proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:   1 kB\n"}};  // NOLINT
Texts node_and(const Texts& more) {
  Texts all = kNode;
  all.insert(more.begin(), more.end());
  return all;
}

TEST(NodeMemory, is_the_node_s) { EXPECT_EQ(memory_with(kNode), 16 * kGib); }

TEST(NodeMemory, is_not_known_without_proc) { EXPECT_EQ(memory_with({}), 0U); }

TEST(NodeMemory, is_the_smallest_limit_of_the_control_group_and_those_above_it) {
  EXPECT_EQ(memory_with(node_and({{"/proc/self/cgroup", "0::/job/step\n"},
                                  {"/sys/fs/cgroup/job/step/memory.max", "max\n"},
                                  {"/sys/fs/cgroup/job/memory.max", "4294967296\n"}})),
            4 * kGib);
  EXPECT_EQ(memory_with(node_and({{"/proc/self/cgroup", "5:cpu:/a\n4:memory:/a/b\n"},
                                  {"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "1073741824\n"},
                                  {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}})),
            kGib);
  EXPECT_EQ(memory_with(node_and({{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "2147483648\n"}})),
            2 * kGib);
}

TEST(NodeMemory, is_what_slurm_gives_the_job) {
  EXPECT_EQ(memory_with(kNode, {{"SLURM_JOB_ID", "7"}, {"SLURM_MEM_PER_NODE", "2048"}}), 2 * kGib);
  EXPECT_EQ(memory_with(kNode, {{"SLURM_JOB_ID", "7"}, {"SLURM_MEM_PER_NODE", "0"}}), 16 * kGib);  // all of it
  EXPECT_EQ(memory_with(kNode, {{"SLURM_JOB_ID", "7"}, {"SLURM_MEM_PER_CPU", "1024"}, {"SLURM_CPUS_ON_NODE", "3"}}),
            3 * kGib);
  EXPECT_EQ(memory_with(kNode, {{"SLURM_JOB_ID", "7"}, {"SLURM_MEM_PER_CPU", "much"}, {"SLURM_CPUS_ON_NODE", "3"}}),
            16 * kGib);
  EXPECT_EQ(memory_with(kNode, {{"SLURM_MEM_PER_NODE", "2048"}}), 16 * kGib);  // no job of Slurm's
}

TEST(NodeMemory, is_told_in_units) {
  EXPECT_EQ(bytes_text(17), "17 bytes");
  EXPECT_EQ(bytes_text(2 * kGib), "2 GiB");
  EXPECT_EQ(bytes_text(3 * kGib / 2), "1.5 GiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16777216 TiB");
}

}  // namespace
}  // namespace rankpool::base
