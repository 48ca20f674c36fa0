#include "base/crowding.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rankpool::base {
namespace {

constexpr StartedBy kSrun{.slurm = true, .mpirun = false};
constexpr StartedBy kMpirun{.slurm = false, .mpirun = true};
constexpr StartedBy kMpirunInSlurm{.slurm = true, .mpirun = true};

TEST(Crowding, AWorkerForEachCoreOrForEachRankIsNone) {
  EXPECT_FALSE((NodeLoad{"n", 0, 1, 3, 3}).crowded());
  EXPECT_TRUE((NodeLoad{"n", 0, 1, 4, 3}).crowded());
  EXPECT_FALSE((NodeLoad{"n", 0, 4, 4, 2}).crowded());  // mpirun --oversubscribe -n 4 on two cores
  EXPECT_TRUE((NodeLoad{"n", 0, 4, 5, 2}).crowded());
}

TEST(Crowding, PoolThatFitsGivesNoWarning) {
  const std::vector<NodeLoad> fitting{{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 3, 3}};
  EXPECT_EQ(crowding_warning(fitting, fitting, kSrun), std::nullopt);
  // RANKPOOL_WORKERS would allow more than the pool takes.
  EXPECT_EQ(crowding_warning(fitting, {{"n1", 0, 1, 8, 1}, {"n2", 1, 1, 8, 3}}, kSrun), std::nullopt);
  EXPECT_EQ(crowding_warning({}, {}, kSrun), std::nullopt);
}

TEST(Crowding, PoolThatIsTooLargeIsToldHowLargeItMayBe) {
  EXPECT_EQ(
      crowding_warning({{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 16, 3}}, {{"n1", 0, 1, 1, 1}, {"n2", 1, 1, 3, 3}}, kSrun),
      "16 of 17 workers share 3 cores on rank 1 (n2): ask Slurm for --cpus-per-task=16, or take at most 4 workers in "
      "all; "
      "RANKPOOL_LOG=error hides this");
}

TEST(Crowding, TooManyWorkersForEachRankAreRankpoolWorkersFault) {
  const std::vector<NodeLoad> nodes{{"n1", 0, 1, 4, 1}};
  EXPECT_EQ(crowding_warning(nodes, nodes, kSrun),
            "4 workers share 1 core on rank 0 (n1): ask Slurm for --cpus-per-task=4, or leave RANKPOOL_WORKERS unset; "
            "RANKPOOL_LOG=error hides this");
  EXPECT_EQ(crowding_text(nodes.front(), kSrun),
            "4 workers share 1 core: ask Slurm for --cpus-per-task=4, or leave RANKPOOL_WORKERS unset");
}

TEST(Crowding, OfSeveralNodesTheFullestIsNamedAndAllGetWhatTheyNeed) {
  const std::vector<NodeLoad> full{{"n1", 0, 1, 4, 4}, {"n2", 1, 1, 2, 2}, {"n3", 2, 1, 2, 2}};
  EXPECT_EQ(crowding_warning({{"n1", 0, 1, 9, 4}, {"n2", 1, 1, 6, 2}, {"n3", 2, 1, 2, 2}}, full, kSrun),
            "6 of 17 workers share 2 cores on rank 1 (n2), and 1 other node is crowded too: ask Slurm for "
            "--cpus-per-task=9, or "
            "take at most 8 workers in all; RANKPOOL_LOG=error hides this");
}

TEST(Crowding, RanksOfOneNodeCountTogether) {
  EXPECT_EQ(crowding_warning({{"n1", 0, 2, 5, 2}}, {{"n1", 0, 2, 2, 2}}, kMpirun),
            "5 workers share 2 cores on n1: give mpirun more nodes or --bind-to none, or take at most 2 workers in "
            "all; RANKPOOL_LOG=error hides this");
  EXPECT_EQ(crowding_text({"n1", 0, 2, 5, 2}, kMpirunInSlurm),
            "5 workers share 2 cores: ask Slurm for --cpus-per-task=3 and mpirun for --bind-to none, or leave "
            "RANKPOOL_WORKERS unset");
  EXPECT_EQ(crowding_text({"n1", 0, 1, 5, 2}, {}), "5 workers share 2 cores: leave RANKPOOL_WORKERS unset");
}

TEST(Crowding, WhoCanGiveCoresStandsInTheEnvironment) {
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
