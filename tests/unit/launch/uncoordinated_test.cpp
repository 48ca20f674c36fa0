#include "launch/uncoordinated.hpp"

#include <gtest/gtest.h>

#include <map>

namespace rankpool::launch {
namespace {

Uncoordinated strays_in(const std::map<std::string, std::string>& environment) {
  return find_uncoordinated([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Uncoordinated, are_none_when_started_bare_or_by_a_launcher_that_is_known) {
  EXPECT_EQ(strays_in({}).count, 1);
  EXPECT_EQ(strays_in({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}}).count, 1);
  EXPECT_EQ(strays_in({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}, {"PMIX_RANK", "2"}}).count, 1);
  EXPECT_EQ(strays_in({{"PMI_SIZE", "4"}, {"PMI_RANK", "2"}, {"OMPI_COMM_WORLD_RANK", "2"}}).count, 1);
  // A batch script has the job's number of tasks, but is no step.
  EXPECT_EQ(strays_in({{"SLURM_NTASKS", "4"}, {"SLURM_PROCID", "0"}}).count, 1);
}

TEST(Uncoordinated, are_the_tasks_of_an_srun_without_pmix_and_of_another_MPI) {
  const Uncoordinated srun = strays_in({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}});
  EXPECT_EQ(srun.count, 4);
  EXPECT_EQ(srun.number, 2);
  EXPECT_NE(srun.advice.find("--mpi=pmix"), std::string::npos);
  EXPECT_EQ(strays_in({{"PMI_SIZE", "3"}, {"PMI_RANK", "0"}}).count, 3);
}

TEST(Uncoordinated, do_not_come_from_nonsense) {
  EXPECT_EQ(strays_in({{"SLURM_STEP_NUM_TASKS", "many"}, {"SLURM_PROCID", "2"}}).count, 1);
  EXPECT_EQ(strays_in({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "-1"}}).count, 1);
  EXPECT_EQ(strays_in({{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "4"}}).count, 1);
}

}  // namespace
}  // namespace rankpool::launch
