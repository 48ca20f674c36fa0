#include "launch/job_variables.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace rankpool::launch {
namespace {

TEST(JobVariables, what_makes_a_process_a_rank_is_its_ranks_alone) {
  for (const char* const name :
       {"OMPI_COMM_WORLD_RANK", "OMPI_UNIVERSE_SIZE", "PMIX_RANK", "PMIX_SERVER_URI41", "PMI_FD", "ORTE_JOBID",
        "PRTE_PMIX_VERSION", "OMPI_MCA_orte_hnp_uri", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_pmix", "OMPI_MCA_plm",
        "OMPI_MCA_initial_wdir", "OMPI_MCA_mpi_oversubscribe", "OMPI_MCA_shmem_RUNTIME_QUERY_hint"}) {
    EXPECT_TRUE(is_variable_of_rank(name)) << name;
  }
}

TEST(JobVariables, what_a_user_sets_is_left) {
  for (const char* const name :
       {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT", "OMPI_MCA_btl",
        "OMPI_MCA_btl_tcp_if_include", "PMIX_MCA_gds", "PRTE_MCA_if_include", "PATH", "SLURM_JOB_ID", "OMPI"}) {
    EXPECT_FALSE(is_variable_of_rank(name)) << name;
  }
}

TEST(JobVariables, are_removed_from_the_environment) {
  ::setenv("PMIX_RANK", "3", 1);
  ::setenv("OMPI_MCA_btl", "self", 1);
  forget_variables_of_rank();
  EXPECT_EQ(std::getenv("PMIX_RANK"), nullptr);
  EXPECT_STREQ(std::getenv("OMPI_MCA_btl"), "self");
  ::unsetenv("OMPI_MCA_btl");
}

}  // namespace
}  // namespace rankpool::launch
