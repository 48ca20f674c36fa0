#include "base/cores.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace rankpool::base {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint32_t> first(std::uint32_t count) {
  std::vector<std::uint32_t> cores;
  for (std::uint32_t core = 0; core < count; ++core) cores.push_back(core);
  return cores;
}

using Variables = std::map<std::string, std::string>;
Lookup lookup_in(const Variables& variables) {
  return [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}
int slurm_cores_in(const Variables& variables) { return slurm_cores(lookup_in(variables)); }
int ranks_in(const Variables& variables) { return ranks_on_node(lookup_in(variables)); }

TEST(Cores, ranks_of_a_node_are_counted_by_the_launcher) {
  EXPECT_EQ(ranks_in({}), 1);
  EXPECT_EQ(ranks_in({{"OMPI_COMM_WORLD_LOCAL_SIZE", "64"}}), 64);
  EXPECT_EQ(ranks_in({{"OMPI_COMM_WORLD_LOCAL_SIZE", "none"}}), 1);
  EXPECT_EQ(ranks_in({{"SLURM_STEP_TASKS_PER_NODE", "3"}}), 3);
  EXPECT_EQ(ranks_in({{"SLURM_STEP_TASKS_PER_NODE", "2(x3),16,4"}}), 16);
  EXPECT_EQ(ranks_in({{"SLURM_STEP_TASKS_PER_NODE", ",("}}), 1);
  EXPECT_EQ(ranks_in({{"SLURM_STEP_TASKS_PER_NODE", "4"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}}), 2);
}

TEST(Cores, one_rank_alone_has_all_of_its_mask) {
  EXPECT_THAT(share_cores({{first(4)}}), ElementsAre(4));
  EXPECT_EQ(cores_together({{first(4)}}), 4);
}

TEST(Cores, ranks_with_one_mask_share_it_the_first_have_the_rest) {
  EXPECT_THAT(share_cores({{first(5)}, {first(5)}, {first(5)}}), ElementsAre(2, 2, 1));
  EXPECT_EQ(cores_together({{first(5)}, {first(5)}, {first(5)}}), 5);
}

TEST(Cores, each_rank_has_at_least_one_worker) {
  EXPECT_THAT(share_cores({{first(2)}, {first(2)}, {first(2)}}), ElementsAre(1, 1, 1));
  EXPECT_EQ(cores_together({{first(2)}, {first(2)}, {first(2)}}), 2);
  EXPECT_THAT(share_cores({{}}), ElementsAre(1));
  EXPECT_EQ(cores_together({{}}), 1);
}

TEST(Cores, bound_ranks_have_what_they_are_bound_to) {
  EXPECT_THAT(share_cores({{{0, 1, 2}}, {{3}}}), ElementsAre(3, 1));
  EXPECT_EQ(cores_together({{{0, 1, 2}}, {{3}}}), 4);
}

TEST(Cores, a_quota_is_not_exceeded) {  // SUB-11
  EXPECT_THAT(share_cores({{first(8), 3}}), ElementsAre(3));
  EXPECT_THAT(share_cores({{first(8), 3}, {first(8), 3}}), ElementsAre(2, 1));
  EXPECT_EQ(cores_together({{first(8), 3}, {first(8), 3}}), 3);
}

TEST(Cores, what_slurm_grants_is_shared_by_the_ranks_of_the_node) {
  EXPECT_THAT(share_cores({{first(64), 0, 5}}), ElementsAre(5));
  EXPECT_THAT(share_cores({{first(64), 0, 5}, {first(64), 0, 5}}), ElementsAre(3, 2));
  EXPECT_THAT(share_cores({{{0, 1}, 0, 2}, {{2, 3}, 0, 2}}), ElementsAre(1, 1));
  EXPECT_EQ(cores_together({{first(64), 0, 5}, {first(64), 0, 5}}), 5);
}

TEST(Cores, slurm_may_grant_more_than_a_virtual_node_has) {
  EXPECT_THAT(share_cores({{first(2), 0, 3}}), ElementsAre(3));
  EXPECT_EQ(cores_together({{first(2), 0, 3}}), 3);
}

TEST(Cores, a_mask_that_binds_counts_and_one_of_the_whole_node_does_not) {
  EXPECT_EQ(usable_slurm_cores(3, 64, 64), 3);  // task/none: nothing binds
  EXPECT_EQ(usable_slurm_cores(3, 2, 2), 3);    // a virtual node
  EXPECT_EQ(usable_slurm_cores(8, 1, 64), 0);   // bound to one of the job's cores
  EXPECT_EQ(usable_slurm_cores(8, 8, 64), 0);   // bound to the job's cores
  EXPECT_EQ(usable_slurm_cores(4, 16, 64), 4);  // in a container that has more than the job
  EXPECT_EQ(usable_slurm_cores(0, 64, 64), 0);  // no Slurm
  EXPECT_EQ(usable_slurm_cores(0, 16, 64), 0);
}

TEST(Cores, slurm_tells_them_of_each_node_in_its_jobs_only) {
  EXPECT_EQ(slurm_cores_in({{"SLURM_JOB_ID", "7"}, {"SLURM_CPUS_ON_NODE", "3"}}), 3);
  EXPECT_EQ(slurm_cores_in({{"SLURM_CPUS_ON_NODE", "3"}}), 0);
  EXPECT_EQ(slurm_cores_in({{"SLURM_JOB_ID", "7"}}), 0);
  for (const char* const nonsense : {"", "0", "-1", "many", "1(x2)", "1e300", "nan"}) {
    EXPECT_EQ(slurm_cores_in({{"SLURM_JOB_ID", "7"}, {"SLURM_CPUS_ON_NODE", nonsense}}), 0) << nonsense;
  }
}

TEST(Cores, quotas_are_rounded_up) {  // SUB-11
  EXPECT_EQ(quota_cores_v2("150000 100000\n"), 2);
  EXPECT_EQ(quota_cores_v2("max 100000\n"), 0);
  EXPECT_EQ(quota_cores_v2("1000 100000\n"), 1);
  EXPECT_EQ(quota_cores_v2(""), 0);
  EXPECT_EQ(quota_cores_v1("250000\n", "100000\n"), 3);
  EXPECT_EQ(quota_cores_v1("-1\n", "100000\n"), 0);
}

}  // namespace
}  // namespace rankpool::base
