#include "base/oversubscription.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rankpool::base {
namespace {

constexpr StartedBy kSrun{.slurm = true, .mpirun = false};
constexpr StartedBy kMpirun{.slurm = false, .mpirun = true};
constexpr StartedBy kMpirunInSlurm{.slurm = true, .mpirun = true};

TEST(Oversubscription, a_worker_for_each_core_or_for_each_rank_is_none) {
  EXPECT_FALSE((NodeLoad{"n", 0, 1, 3, 3}).oversubscribed());
  EXPECT_TRUE((NodeLoad{"n", 0, 1, 4, 3}).oversubscribed());
  EXPECT_FALSE((NodeLoad{"n", 0, 4, 4, 2}).oversubscribed());  // mpirun --oversubscribe -n 4 on two cores
  EXPECT_TRUE((NodeLoad{"n", 0, 4, 5, 2}).oversubscribed());
}

TEST(Oversubscription, pool_that_fits_gives_no_warning) {
  const std::vector<NodeLoad> fitting{{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 3, 3}};
  EXPECT_EQ(oversubscription_warning(fitting, fitting, kSrun), std::nullopt);
  // RANKPOOL_WORKERS would allow more than the pool takes.
  EXPECT_EQ(oversubscription_warning(fitting, {{"n1", 0, 1, 8, 1}, {"n2", 1, 1, 8, 3}}, kSrun), std::nullopt);
  EXPECT_EQ(oversubscription_warning({}, {}, kSrun), std::nullopt);
}

TEST(Oversubscription, pool_that_is_too_large_is_told_how_large_it_may_be) {
  EXPECT_EQ(
      oversubscription_warning({{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 16, 3}}, {{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 3, 3}},
                               kSrun),
      "16 of 17 workers share 3 cores on rank 1 (n2): ask Slurm for --cpus-per-task=16, or take at most 4 workers in "
      "all; "
      "RANKPOOL_LOG=error hides this");
}

TEST(Oversubscription, too_many_workers_for_each_rank_are_rankpool_workers_fault) {
  const std::vector<NodeLoad> nodes{{"n1", 0, 1, 4, 1}};
  EXPECT_EQ(oversubscription_warning(nodes, nodes, kSrun),
            "4 workers share 1 core on rank 0 (n1): ask Slurm for --cpus-per-task=4, or leave RANKPOOL_WORKERS unset; "
            "RANKPOOL_LOG=error hides this");
  EXPECT_EQ(oversubscription_text(nodes.front(), kSrun),
            "4 workers share 1 core: ask Slurm for --cpus-per-task=4, or leave RANKPOOL_WORKERS unset");
}

TEST(Oversubscription, of_several_nodes_the_fullest_is_named_and_all_get_what_they_need) {
  const std::vector<NodeLoad> full{{"n1", 0, 1, 4, 4}, {"n2", 1, 1, 2, 2}, {"n3", 2, 1, 2, 2}};
  EXPECT_EQ(oversubscription_warning({{"n1", 0, 1, 9, 4}, {"n2", 1, 1, 6, 2}, {"n3", 2, 1, 2, 2}}, full, kSrun),
            "6 of 17 workers share 2 cores on rank 1 (n2), and 1 other node is crowded too: ask Slurm for "
            "--cpus-per-task=9, or "
            "take at most 8 workers in all; RANKPOOL_LOG=error hides this");
}

TEST(Oversubscription, ranks_of_one_node_count_together) {
  EXPECT_EQ(oversubscription_warning({{"n1", 0, 2, 5, 2}}, {{"n1", 0, 2, 2, 2}}, kMpirun),
            "5 workers share 2 cores on n1: give mpirun more nodes or --bind-to none, or take at most 2 workers in "
            "all; RANKPOOL_LOG=error hides this");
  EXPECT_EQ(oversubscription_text({"n1", 0, 2, 5, 2}, kMpirunInSlurm),
            "5 workers share 2 cores: ask Slurm for --cpus-per-task=3 and mpirun for --bind-to none, or leave "
            "RANKPOOL_WORKERS unset");
  EXPECT_EQ(oversubscription_text({"n1", 0, 1, 5, 2}, {}), "5 workers share 2 cores: leave RANKPOOL_WORKERS unset");
}

TEST(Oversubscription, who_can_give_cores_stands_in_the_environment) {
  const auto by = [](const std::map<std::string, std::string>& variables) {
    return started_by([&](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
  };
  EXPECT_FALSE(by({}).slurm);
  EXPECT_FALSE(by({}).mpirun);
  EXPECT_TRUE(by({{"SLURM_JOB_ID", "7"}, {"SLURM_CPUS_ON_NODE", "4"}}).slurm);
  EXPECT_FALSE(by({{"SLURM_JOB_ID", "7"}}).slurm);  // on the login node, in the shell of salloc
  EXPECT_TRUE(by({{"OMPI_COMM_WORLD_RANK", "0"}}).mpirun);
}

}  // namespace
}  // namespace rankpool::base
