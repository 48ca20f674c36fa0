#include "tools/plan.hpp"

#include "world.hpp"

#include <gmock/gmock.h>

namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Plan, starts_the_program_itself_when_nothing_else_is_asked) {
  World world;
  world.layout.program = {"./prog", "a b"};
  const Plan plan = world.plan();
  EXPECT_EQ(plan.launcher, Launcher::bare);
  EXPECT_EQ(shell_text(plan), "./prog 'a b'");
  EXPECT_THAT(plan.reason, HasSubstr("without MPI"));
}

TEST(Plan, bare_hands_the_number_of_workers_on) {
  World world;
  world.layout.workers = 3;
  EXPECT_EQ(world.command(), "env RANKPOOL_WORKERS=3 ./prog");
}

TEST(Plan, ranks_on_this_machine_share_its_cores_under_mpirun) {
  World world;
  world.layout.ranks = 4;
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery -n 4 --oversubscribe --bind-to none -x RANKPOOL_RUN_REPORT ./prog");
  EXPECT_EQ(world.plan().zero, Plan::Zero::doubted);
}

TEST(Plan, open_mpi_5_is_told_in_its_own_words_and_believed) {
  World world;
  world.mpirun_version = "mpirun (Open MPI) 5.0.7\n";
  world.layout.ranks = 4;
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery -n 4 --map-by :OVERSUBSCRIBE --bind-to none -x RANKPOOL_RUN_REPORT ./prog");
  EXPECT_EQ(world.plan().zero, Plan::Zero::believed);
}

TEST(Plan, mpirun_hands_on_our_variables_each_once) {
  World world;
  world.variables["RANKPOOL_LOG"] = "debug";
  world.variables["RANKPOOL_WORKERS"] = "1";
  world.variables["OTHER"] = "x";
  world.layout.ranks = 1;
  world.layout.workers = 2;
  EXPECT_EQ(world.command(),
            "env RANKPOOL_WORKERS=2 mpirun --enable-recovery -n 1 --oversubscribe --bind-to none -x RANKPOOL_LOG "
            "-x RANKPOOL_RUN_REPORT -x RANKPOOL_WORKERS ./prog");
}

TEST(Plan, variables_go_the_way_that_the_users_settings_of_open_mpi_take) {  // the other way beside it is refused
  World world;
  world.layout.ranks = 1;
  world.open_mpi_settings =
      "mca:mca:base:param:mca_base_env_list:value:FOO;BAR=2\n"
      "mca:mca:base:param:mca_base_env_list:source:file\n"
      "mca:mca:base:param:mca_base_env_list_delimiter:value:;\n";
  const std::string begin = "mpirun --enable-recovery -n 1 --oversubscribe --bind-to none --mca mca_base_env_list ";
  EXPECT_EQ(world.command(), begin + "'FOO;BAR=2;RANKPOOL_RUN_REPORT' ./prog");
  world.open_mpi_settings =
      "mca:mca:base:param:mca_base_env_list:value:\"A=b:c+D\"\n"
      "mca:mca:base:param:mca_base_env_list_delimiter:value:+\n";
  EXPECT_EQ(world.command(), begin + "A=b:c+D+RANKPOOL_RUN_REPORT ./prog");
  world.open_mpi_settings = "";  // there is no ompi_info
  world.variables["OMPI_MCA_mca_base_env_list"] = "FOO";
  EXPECT_EQ(world.command(), begin + "'FOO;RANKPOOL_RUN_REPORT' ./prog");
}

TEST(Plan, variables_are_added_to_the_list_that_the_user_gives_mpirun) {
  World world;
  world.layout.launcher_options = {"--mca", "mca_base_env_list", "FOO", "--bind-to", "core"};
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery --map-by ppr:1:node --oversubscribe --mca mca_base_env_list "
            "'FOO;RANKPOOL_RUN_REPORT' --bind-to core ./prog");
}

TEST(Plan, what_the_user_gives_mpirun_is_not_given_twice) {
  World world;
  world.variables["RANKPOOL_LOG"] = "debug";
  world.layout.ranks = 2;
  world.layout.launcher_options = {"-x", "RANKPOOL_LOG=info", "--bind-to", "core", "--oversubscribe"};
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery -n 2 -x RANKPOOL_RUN_REPORT -x RANKPOOL_LOG=info --bind-to core "
            "--oversubscribe ./prog");
}

TEST(Plan, launcher_options_alone_mean_mpirun_and_stand_after_ours) {
  World world;
  world.layout.launcher_options = {"-H", "n1:2,n2:2"};
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery --map-by ppr:1:node --bind-to none -x RANKPOOL_RUN_REPORT -H n1:2,n2:2 "
            "./prog");
}

TEST(Plan, ranks_on_hosts_that_the_user_names_are_spread_over_them) {
  World world;
  world.layout.ranks = 4;
  world.layout.launcher_options = {"--host", "n1:2,n2:2"};
  EXPECT_THAT(world.command(), AllOf(HasSubstr("--map-by node"), Not(HasSubstr("--oversubscribe"))));
}

TEST(Plan, a_host_file_gets_one_rank_on_each_host) {
  World world;
  world.files["hosts"] = "n1 slots=4\nn2 slots=4\n";
  world.layout.hostfile = "hosts";
  const Plan plan = world.plan();
  EXPECT_EQ(shell_text(plan),
            "mpirun --enable-recovery --hostfile hosts --map-by ppr:1:node --bind-to none "
            "-x RANKPOOL_RUN_REPORT ./prog");
  EXPECT_EQ(plan.reason,
            "the host file hosts has 2 hosts: mpirun; one rank on each node, with all its cores as workers");
}

TEST(Plan, a_host_file_wins_over_a_slurm_job) {
  World world;
  world.in_slurm(2);
  world.variables["SLURM_NTASKS"] = "8";
  world.files["hosts"] = "n1\n";
  world.layout.hostfile = "hosts";
  EXPECT_THAT(world.command(), AllOf(StartsWith("mpirun"), HasSubstr("ppr:1:node")));
}

TEST(Plan, too_few_slots_are_refused_before_mpirun_is_started) {
  World world;
  world.files["hosts"] = "n1 slots=2\nn2 slots=1\n";
  world.layout.hostfile = "hosts";
  world.layout.ranks = 4;
  const Refusal refusal = world.refusal();
  EXPECT_EQ(refusal.status, Status::usage);
  EXPECT_EQ(refusal.text,
            "too few slots: the host file hosts has 3 (n1: 2, n2: 1) for 4 ranks. Raise slots=, ask for fewer ranks "
            "with more --workers each, or put --oversubscribe before --");
  world.layout.ranks = 3;
  EXPECT_THAT(world.command(), HasSubstr("-n 3"));
  world.layout.ranks = 4;
  world.layout.launcher_options = {"--oversubscribe"};
  EXPECT_THAT(world.command(), HasSubstr("-n 4"));
}

TEST(Plan, slots_that_a_host_file_does_not_tell_are_left_to_mpirun) {
  World world;
  world.files["hosts"] = "n1\nn2 slots=1\n";
  world.layout.hostfile = "hosts";
  world.layout.ranks = 64;
  EXPECT_THAT(world.command(), HasSubstr("-n 64 --hostfile hosts --map-by node"));
}

TEST(Plan, a_host_file_that_cannot_be_read_or_is_empty_is_refused) {
  World world;
  world.layout.hostfile = "hosts";
  EXPECT_EQ(world.refusal().text, "the host file hosts cannot be read: No such file or directory");
  world.files["hosts"] = "# n1\n\n";
  EXPECT_THAT(world.refusal().text, HasSubstr("names no host"));
}

TEST(Plan, in_a_slurm_job_each_node_gets_one_rank) {
  World world;
  world.in_slurm(2);
  const Plan plan = world.plan();
  EXPECT_EQ(shell_text(plan),
            "srun --mpi=pmix --kill-on-bad-exit=0 --no-kill --wait=0 --quit-on-interrupt --nodes=2 --ntasks=2 "
            "--ntasks-per-node=1 --cpu-bind=none ./prog");
  EXPECT_EQ(plan.zero, Plan::Zero::believed);
  EXPECT_EQ(plan.reason,
            "this is Slurm job 17 with 2 nodes: srun; one rank on each node, with all its cores as workers");
}

TEST(Plan, a_slurm_job_that_asked_for_more_tasks_than_nodes_gets_a_rank_for_each) {
  World world;
  world.in_slurm(2);
  world.variables["SLURM_NTASKS"] = "2";
  EXPECT_THAT(world.command(), HasSubstr("--ntasks-per-node=1"));
  world.variables["SLURM_NTASKS"] = "8";
  EXPECT_THAT(world.command(),
              AllOf(HasSubstr("--nodes=2 --ntasks=8 --distribution=cyclic"), Not(HasSubstr("per-node"))));
  EXPECT_THAT(world.plan().reason, EndsWith("one rank for each of the 8 tasks that the job asked for"));
}

TEST(Plan, ranks_in_a_slurm_job_are_as_many_as_asked) {
  World world;
  world.in_slurm(2);
  world.layout.ranks = 1;
  EXPECT_THAT(world.command(), HasSubstr("--nodes=1 --ntasks=1 "));
  world.layout.ranks = 8;
  EXPECT_THAT(world.command(), AllOf(HasSubstr("--nodes=2 --ntasks=8 "), Not(HasSubstr("--overcommit"))));
  world.layout.ranks = 9;
  EXPECT_THAT(world.command(), HasSubstr("--overcommit"));
}

TEST(Plan, what_sbatch_was_told_of_tasks_does_not_contradict_srun) {
  World world;
  world.in_slurm(2);
  world.variables["SLURM_NTASKS_PER_NODE"] = "4";
  world.variables["SLURM_CPUS_PER_TASK"] = "2";
  world.layout.workers = 2;
  EXPECT_THAT(world.command(),
              StartsWith("env -u SLURM_NTASKS_PER_NODE -u SLURM_CPUS_PER_TASK RANKPOOL_WORKERS=2 srun "));
}

TEST(Plan, a_job_that_exports_nothing_still_exports_to_its_ranks) {
  World world;
  world.in_slurm(1);
  EXPECT_THAT(world.command(), Not(HasSubstr("--export")));
  world.variables["SLURM_EXPORT_ENV"] = "NONE";
  EXPECT_THAT(world.command(), HasSubstr(" --export=ALL "));
}

TEST(Plan, without_pmix_or_srun_a_slurm_job_falls_back_to_mpirun) {
  World world;
  world.in_slurm(2);
  world.srun_mpi_types = "MPI plugin types are...\n\tnone\n\tpmi2\n";
  EXPECT_EQ(world.command(),
            "mpirun --enable-recovery --map-by ppr:1:node --oversubscribe --bind-to none "
            "-x RANKPOOL_RUN_REPORT ./prog");
  EXPECT_THAT(world.plan().reason, HasSubstr("no pmix plugin"));
  world.programs.erase("srun");
  EXPECT_THAT(world.plan().reason, HasSubstr("srun is not in PATH"));
  world.layout.launcher = Launcher::srun;
  EXPECT_EQ(world.refusal().status, Status::missing);
}

TEST(Plan, the_users_choice_of_launcher_is_followed) {
  World world;
  world.in_slurm(2);
  world.layout.launcher = Launcher::mpirun;
  EXPECT_THAT(world.command(), StartsWith("mpirun "));
  world.layout.launcher = Launcher::bare;
  EXPECT_EQ(world.command(), "./prog");
  world.variables.clear();
  world.layout.launcher = Launcher::srun;
  EXPECT_THAT(world.command(), HasSubstr("--quit-on-interrupt --ntasks-per-node=1 --cpu-bind=none ./prog"));
}

TEST(Plan, choices_that_contradict_each_other_are_refused) {
  World world;
  world.layout.launcher = Launcher::bare;
  world.layout.ranks = 2;
  EXPECT_THAT(world.refusal().text, HasSubstr("--launcher none starts the program itself"));
  world.layout.launcher = Launcher::srun;
  world.files["hosts"] = "n1\n";
  world.layout.ranks.reset();
  world.layout.hostfile = "hosts";
  EXPECT_THAT(world.refusal().text, HasSubstr("--hostfile is for mpirun"));
  world.layout.hostfile.clear();
  world.srun_mpi_types = "none";
  EXPECT_THAT(world.refusal().text, HasSubstr("use --launcher mpirun"));
}

TEST(Plan, inside_another_launcher_it_is_refused) {
  World world;
  world.variables["OMPI_COMM_WORLD_RANK"] = "0";
  EXPECT_THAT(world.refusal().text, StartsWith("this is already a rank of an mpirun"));
  world.variables = {{"PMIX_RANK", "0"}};
  EXPECT_THAT(world.refusal().text, StartsWith("this is already a rank of an MPI job"));
  world.variables.clear();
  world.in_slurm(2);
  world.variables["SLURM_STEP_ID"] = "0";
  world.variables["SLURM_STEP_NUM_TASKS"] = "2";
  EXPECT_THAT(world.refusal().text, StartsWith("this is already a task of an srun step"));
}

TEST(Plan, an_interactive_shell_in_a_step_shares_its_cores_with_the_ranks) {
  World world;
  world.in_slurm(2);
  world.variables["SLURM_STEP_ID"] = "0";
  world.variables["SLURM_STEP_NUM_TASKS"] = "1";
  world.variables["SLURM_NNODES"] = "1";
  world.variables["PMIX_RANK"] = "0";
  EXPECT_THAT(world.command(), AllOf(HasSubstr(" --overlap "), HasSubstr("--nodes=2 --ntasks=2")));
}

TEST(Plan, the_steps_that_slurm_makes_itself_are_none) {
  World world;
  world.in_slurm(2);
  world.variables["SLURM_STEP_ID"] = "4294967290";
  EXPECT_THAT(world.command(), Not(HasSubstr("--overlap")));
}

TEST(Plan, numbers_below_one_are_refused) {
  World world;
  world.layout.ranks = 0;
  EXPECT_EQ(world.refusal().text, "-n 0: there must be at least 1 rank");
  EXPECT_EQ(world.refusal().status, Status::usage);
  world.layout.ranks = 1;
  world.layout.workers = -1;
  EXPECT_EQ(world.refusal().text, "--workers -1: each rank needs at least 1 worker");
}

TEST(Plan, a_program_that_is_missing_or_cannot_run_is_refused_with_the_shells_status) {
  World world;
  world.layout.program = {"./nope"};
  EXPECT_EQ(world.refusal().status, Status::missing);
  EXPECT_EQ(world.refusal().text, "there is no program ./nope");
  world.layout.program = {"prog"};
  EXPECT_EQ(world.refusal().text, "there is no program prog in PATH; the one in this folder is called ./prog");
  world.programs["./text file"] = ProgramState::not_executable;
  world.layout.program = {"./text file"};
  EXPECT_EQ(world.refusal().status, Status::not_executable);
  EXPECT_THAT(world.refusal().text, HasSubstr("(chmod +x './text file')"));
}

TEST(Plan, a_missing_mpirun_or_one_of_another_mpi_is_refused) {
  World world;
  world.layout.ranks = 2;
  world.mpirun_version = "HYDRA build details:\n";
  EXPECT_EQ(world.refusal().status, Status::missing);
  EXPECT_THAT(world.refusal().text,
              AllOf(HasSubstr("/usr/bin/mpirun, is not Open MPI's"), EndsWith("HYDRA build details:")));
  world.programs.erase("mpirun");
  EXPECT_EQ(world.refusal().status, Status::missing);
  EXPECT_THAT(world.refusal().text,
              AllOf(StartsWith("mpirun is not in PATH"), HasSubstr("apt-get install openmpi-bin")));
}

}  // namespace
}  // namespace rankpool::tools
