#include "tools/info_report.hpp"
#include "tools/info_start.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using Launcher = Start::Launcher;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

NodeFacts node_with(std::vector<std::uint32_t> cores) {
  NodeFacts facts;
  facts.cores_of_node = static_cast<int>(cores.size());
  facts.cores = std::move(cores);
  facts.memory_free = 64 * kGiB;
  facts.shm_free = 32 * kGiB;
  facts.open_files = 4096;
  facts.processes = 4096;
  facts.addresses = {"10.0.0.1"};
  return facts;
}

/// One rank on each of so many nodes of four cores, started by rankpool-run: nothing is to be said of it.
Sight good_sight(int nodes) {
  Sight sight;
  sight.start.launcher = Launcher::mpirun;
  sight.start.by_rankpool_run = true;
  sight.start.processes = nodes;
  sight.version = "1.2.3";
  sight.mpi = "Open MPI v4.1.4";
  for (int rank = 0; rank < nodes; ++rank) {
    sight.ranks.push_back({rank, "n" + std::to_string(rank), 100 + rank, 4, true, node_with({0, 1, 2, 3}), 30.4});
  }
  return sight;
}

std::string text_of(const Sight& sight) { return report(sight, diagnose(sight), 32); }

TEST(InfoDiagnosis, has_nothing_to_say_of_a_good_job) {
  const Diagnosis diagnosis = diagnose(good_sight(2));
  EXPECT_EQ(diagnosis.problem, "");
  EXPECT_THAT(diagnosis.advice, IsEmpty());
}

TEST(InfoDiagnosis, names_the_processes_that_take_no_part) {
  Sight sight = good_sight(2);
  sight.start.processes = 3;
  EXPECT_EQ(diagnose(sight).problem,
            "3 processes were started, but only 2 ranks take part; the messages on stderr say why");
  sight = good_sight(2);
  sight.ranks[1].alive = false;
  EXPECT_EQ(diagnose(sight).problem, "rank 1 on n1 was lost");
  sight = good_sight(2);
  sight.ranks[1].facts.reset();
  EXPECT_EQ(diagnose(sight).problem, "no worker of rank 1 on n1 answers");
  sight.uncoordinated = "two copies";
  EXPECT_EQ(diagnose(sight).problem, "two copies");
}

TEST(InfoDiagnosis, sees_that_only_one_node_of_a_Slurm_job_is_used) {
  Sight sight = good_sight(1);
  sight.start = {};
  sight.start.slurm_job = "5";
  sight.start.slurm_nodes = 2;
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(HasSubstr("only this node of the Slurm job is used")));
}

TEST(InfoDiagnosis, sees_more_workers_than_the_Slurm_job_has_cores) {
  Sight sight = good_sight(2);
  sight.start.slurm_job = "5";
  sight.start.slurm_cores = 1;
  sight.ranks[0].facts->slurm_cores = 1;
  EXPECT_THAT(diagnose(sight).advice,
              ElementsAre(AllOf(StartsWith("n0: 4 workers share 1 core: ask Slurm for --cpus-per-task=4"),
                                HasSubstr("RANKPOOL_WORKERS"))));
}

TEST(InfoDiagnosis, sees_that_ranks_may_use_less_than_the_Slurm_job_has) {
  Sight sight = good_sight(2);
  sight.start.slurm_job = "5";
  sight.start.slurm_cores = 4;
  sight.ranks[0].facts->cores = {0};
  sight.ranks[0].workers = 1;
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(AllOf(StartsWith("n0: "), HasSubstr("--cpus-per-task"))));
  sight.start.settings = {"RANKPOOL_WORKERS=1"};
  EXPECT_THAT(diagnose(sight).advice, IsEmpty());
}

TEST(InfoDiagnosis, sees_that_mpirun_has_bound_the_ranks) {
  Sight sight = good_sight(5);
  for (auto& rank : sight.ranks) {
    rank.facts->cores = {0};
    rank.workers = 1;
  }
  EXPECT_THAT(diagnose(sight).advice,
              ElementsAre(AllOf(StartsWith("n0, n1, n2 and 2 more: "), HasSubstr("--bind-to none"))));
}

TEST(InfoDiagnosis, advises_one_rank_for_each_of_several_nodes) {
  Sight sight = good_sight(2);
  sight.start.processes = 3;
  sight.ranks.push_back({2, "n1", 102, 2, true, node_with({0, 1, 2, 3}), 30.0});
  sight.ranks[1].workers = 2;
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(AllOf(StartsWith("n1: several ranks"), HasSubstr("ppr:1:node"))));
}

TEST(InfoDiagnosis, sees_small_limits) {
  Sight sight = good_sight(1);
  NodeFacts& facts = *sight.ranks[0].facts;
  facts.memory_free = kGiB / 2;
  facts.open_files = 64;
  facts.processes = 64;
  facts.shm_free = 1;  // one rank alone needs none
  facts.core_limit = 2;
  EXPECT_THAT(diagnose(sight).advice,
              ElementsAre(HasSubstr("4 workers share 2 cores"), HasSubstr("256 MiB of memory for each worker"),
                          HasSubstr("ulimit -n"), HasSubstr("ulimit -u")));
}

TEST(InfoDiagnosis, sees_a_small_shared_memory_for_several_ranks) {
  Sight sight = good_sight(1);
  sight.start.processes = 2;
  sight.ranks[0].facts->shm_free = kGiB / 32;
  sight.ranks[0].workers = 2;
  sight.ranks.push_back({1, "n0", 101, 2, true, node_with({0, 1, 2, 3}), 30.0});
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(HasSubstr("--shm-size")));
}

TEST(InfoDiagnosis, sees_several_networks_and_a_slow_one) {
  Sight sight = good_sight(2);
  sight.ranks[1].facts->addresses = {"10.0.0.1", "192.168.0.1", "fd00::1"};
  sight.ranks[1].round_trip_us = 3000;
  EXPECT_THAT(diagnose(sight).advice,
              ElementsAre(AllOf(StartsWith("n1: several networks"), HasSubstr("RANKPOOL_INTERFACE")),
                          StartsWith("n1: a task takes long")));
  sight.start.settings = {"RANKPOOL_INTERFACE=eth0"};
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(StartsWith("n1: a task takes long")));
}

TEST(InfoDiagnosis, says_which_losses_end_the_job) {
  Sight sight = good_sight(2);
  sight.start.by_rankpool_run = false;
  EXPECT_THAT(diagnose(sight).advice,
              ElementsAre("the loss of a node ends the job: start the program by rankpool-run"));
  sight.start.slurm_job = "5";
  EXPECT_THAT(diagnose(sight).advice, ElementsAre(HasSubstr("sbatch --no-kill")));
  sight.pmix_trouble = "libpmix cannot be loaded";
  EXPECT_THAT(diagnose(sight).advice, ElementsAre("the death of a rank ends the job: libpmix cannot be loaded"));
}

TEST(InfoReport, shows_ranks_and_nodes_in_columns) {
  Sight sight = good_sight(2);
  sight.ranks[1].facts->cores = {0, 2, 3, 5};
  sight.ranks[1].facts->addresses.clear();
  sight.ranks[1].facts->memory_free.reset();
  EXPECT_EQ(text_of(sight),
            "rankpool  1.2.3\n"
            "MPI       Open MPI v4.1.4\n"
            "started   mpirun, by rankpool-run\n"
            "job       2 ranks on 2 nodes, 8 workers\n"
            "losses    the job survives the death of workers, of ranks, and of nodes\n"
            "settings  none\n"
            "\n"
            "rank  node  pid  cores    workers  round trip\n"
            "0     n0    100  0-3      4        30 us\n"
            "1     n1    101  0,2-3,5  4        30 us\n"
            "\n"
            "node  cores   memory free  /dev/shm free  open files  processes  addresses\n"
            "n0    4 of 4  64.0 GiB     32.0 GiB       4096        4096       10.0.0.1\n"
            "n1    4 of 4  ?            32.0 GiB       4096        4096       none\n"
            "\n"
            "verdict: it works: 2 ranks on 2 nodes, 8 workers\n");
}

TEST(InfoReport, says_what_is_lost_and_cut) {
  Sight sight = good_sight(3);
  sight.ranks[0].alive = false;
  sight.ranks[1].round_trip_us.reset();
  const std::string text = report(sight, diagnose(sight), 2);
  EXPECT_THAT(text,
              AllOf(HasSubstr("0     n0    100  0-3    4        lost\n"),
                    HasSubstr("1     n1    101  0-3    4        -\n"), HasSubstr("... and 1 more; --all shows them\n"),
                    Not(HasSubstr("n2")), HasSubstr("verdict: this does not work: rank 0 on n0 was lost\n")));
}

TEST(InfoReport, tells_what_else_survives_which_loss) {
  Sight sight = good_sight(1);
  sight.start.launcher = Launcher::bare;
  EXPECT_THAT(text_of(sight), HasSubstr("survives the death of workers\n"));
  sight = good_sight(1);
  sight.start.by_rankpool_run = false;
  EXPECT_THAT(text_of(sight), HasSubstr("of workers and of ranks, not of nodes\n"));
  sight.start.recovery = true;
  EXPECT_THAT(text_of(sight), HasSubstr("mpirun's exit status is 0 whatever happens\n"));
  sight.pmix_trouble = "no";
  EXPECT_THAT(text_of(sight), HasSubstr("of workers, not of ranks\n"));
}

Start start_in(const std::map<std::string, std::string>& environment) {
  return read_start([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(InfoStart, knows_the_launchers) {
  EXPECT_EQ(start_in({}).launcher, Launcher::bare);
  const Start mpirun = start_in({{"OMPI_COMM_WORLD_RANK", "0"},
                                 {"OMPI_COMM_WORLD_SIZE", "4"},
                                 {"PMIX_RANK", "0"},
                                 {"OMPI_MCA_orte_enable_recovery", "1"},
                                 {"RANKPOOL_RUN_REPORT", "x"}});
  EXPECT_EQ(mpirun.launcher, Launcher::mpirun);
  EXPECT_EQ(mpirun.processes, 4);
  EXPECT_TRUE(mpirun.recovery);
  EXPECT_TRUE(mpirun.by_rankpool_run);
  const Start srun = start_in({{"PMIX_RANK", "0"},
                               {"SLURM_STEP_NUM_TASKS", "3"},
                               {"SLURM_JOB_ID", "12"},
                               {"SLURM_JOB_NUM_NODES", "2"},
                               {"SLURM_CPUS_ON_NODE", "8"}});
  EXPECT_EQ(srun.launcher, Launcher::srun);
  EXPECT_EQ(srun.processes, 3);
  EXPECT_EQ(srun.slurm_job, "12");
  EXPECT_EQ(srun.slurm_nodes, 2);
  EXPECT_EQ(srun.slurm_cores, 8);
  EXPECT_FALSE(srun.by_rankpool_run);
  EXPECT_EQ(start_in({{"PMIX_RANK", "0"}}).launcher, Launcher::unknown);
}

TEST(InfoStart, keeps_the_library_s_settings_only) {
  const Start start =
      start_in({{"RANKPOOL_WORKERS", "2"}, {"RANKPOOL_RUN_REPORT", "secret"}, {"RANKPOOL_LOG", "info"}});
  EXPECT_THAT(start.settings, ElementsAre("RANKPOOL_LOG=info", "RANKPOOL_WORKERS=2"));
}

}  // namespace
}  // namespace rankpool::tools
