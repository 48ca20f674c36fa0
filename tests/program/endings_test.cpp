#include "program_run.hpp"

// How programs end, bare and under mpirun: their exit status, what they say, and that nothing of them is left.
namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kEndings = PROGRAM_ENDINGS;

class Endings : public Launched {
 protected:
  Ended end(const std::string& how) { return run(GetParam(), {kEndings, how, folder.path()}); }
  [[nodiscard]] int tasks_done() const {
    int count = 0;
    for (int i = 0; i < 10; ++i) count += std::filesystem::exists(folder / ("done-" + std::to_string(i))) ? 1 : 0;
    return count;
  }
};

TEST_P(Endings, return_value_of_main_is_the_status) {  // COM-01
  const Ended ended = end("return-5");
  EXPECT_EQ(ended.status, 5);
  EXPECT_THAT(ended.err, Not(HasSubstr("rankpool")));
}

TEST_P(Endings, exception_that_leaves_main_is_told_and_the_status_is_one) {  // COM-12
  const Ended ended = end("throw");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("std::runtime_error: the text of the exception"));
}

TEST_P(Endings, what_is_no_exception_is_told_too) {
  const Ended ended = end("throw-int");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("an exception has left main"));
}

TEST_P(Endings, exception_of_a_task_is_told_with_its_place) {
  const Ended ended = end("throw-from-task");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("thrown in a task"), HasSubstr("worker"), HasSubstr("rank 0")));
}

TEST_P(Endings, the_first_failure_of_a_map_tells_how_many_others_failed) {
  for (const std::string how : {"throw-from-map", "throw-from-to-vector", "throw-from-pool-map"}) {
    const Ended ended = end(how);
    EXPECT_EQ(ended.status, 1) << how;
    EXPECT_THAT(ended.err, AllOf(HasSubstr("std::domain_error: zero"), HasSubstr("\n  2 other items failed, too")))
        << how;
  }
}

TEST_P(Endings, pthread_exit_in_main_ends_the_job_in_order) {
  for (const std::string how : {"pthread-exit", "pthread-exit-with-a-thread"}) {
    const Ended ended = end(how);
    EXPECT_EQ(ended.status, 0) << how;
    EXPECT_THAT(ended.err, Not(HasSubstr("FATAL"))) << how;
    EXPECT_EQ(tasks_done(), 10) << how;
    EXPECT_EQ(std::filesystem::exists(folder / "thread"), how == "pthread-exit-with-a-thread");
    for (int i = 0; i < 10; ++i) std::filesystem::remove(folder / ("done-" + std::to_string(i)));
  }
}

TEST_P(Endings, submitted_work_is_finished_before_an_exception_ends_the_program) {
  EXPECT_EQ(end("throw-with-open-executor").status, 1);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, submitted_work_is_finished_before_std_exit) {  // SHU-03, SHU-08
  EXPECT_EQ(end("exit-3").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, submitted_work_is_finished_before_std_exit_in_a_thread) {
  EXPECT_EQ(end("exit-3-in-a-thread").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, std_exit_in_a_thread_while_main_waits_for_a_result) {
  EXPECT_EQ(end("exit-3-in-a-thread-while-main-waits").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, executor_with_static_storage_finishes_its_work) {
  EXPECT_EQ(end("static-executor").status, 5);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, executor_with_static_storage_finishes_its_work_before_std_exit) {
  EXPECT_EQ(end("static-executor-exit-3").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, pool_with_static_storage_holds_nothing_up) {  // CTJ-12
  const Ended ended = end("static-pool");
  EXPECT_EQ(ended.status, 5);
  EXPECT_THAT(ended.err, Not(HasSubstr("rankpool")));
}

TEST_P(Endings, more_workers_than_cores) {
  const Ended ended = run(GetParam(), {kEndings, "many-workers", "40"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "40\n");
}

TEST_P(Endings, workers_that_share_cores_are_told_of_once_where_there_is_a_job) {
  const Ended ended = run(GetParam(), {kEndings, "crowd"});
  EXPECT_EQ(ended.status, 0);
  const int room = std::stoi(ended.out);
  if (GetParam() < 2) {
    EXPECT_THAT(ended.err, IsEmpty());
  } else {
    EXPECT_THAT(ended.err, AllOf(StartsWith("rankpool: warning: " + std::to_string(room + 1) + " workers share "),
                                 HasSubstr("take at most " + std::to_string(room) + " workers in all")));
    EXPECT_EQ(times(ended.err, "\n"), 1) << ended.err;
  }
  EXPECT_THAT(run(GetParam(), {kEndings, "crowd"}, {"RANKPOOL_LOG=error"}).err, IsEmpty());
}

TEST_P(Endings, workers_that_have_a_core_each_are_not_told_of) {
  EXPECT_THAT(run(GetParam(), {kEndings, "square"}, {"RANKPOOL_MAX_WORKERS=1", "RANKPOOL_WORKERS=1"}).err, IsEmpty());
}

TEST_P(Endings, more_workers_than_files_that_may_be_open) {
  const Ended ended =
      run(GetParam(), {"bash", "-c", "ulimit -Sn 64; exec \"$@\"", "bash", kEndings, "many-workers", "200"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "200\n");
}

TEST_P(Endings, main_takes_arguments) {
  const Ended ended = run(GetParam(), {kEndings, "form-arguments", "two words", "", "--help"});
  EXPECT_EQ(ended.status, 5);
  EXPECT_EQ(ended.out, "[two words][][--help]\n");
}

TEST_P(Endings, main_takes_nothing) { EXPECT_EQ(end("form-nothing").status, 6); }

TEST_P(Endings, main_returns_nothing) {
  const Ended ended = end("form-void");
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "void\n");
}

class Killed : public Launched {
 protected:
  void expect_end_by(int signal) {
    const Ended ended = run(GetParam(), {kEndings, "busy", folder.path()}, {}, "", [&] {
      ASSERT_TRUE(until([&] { return std::filesystem::exists(folder / "up"); }));
      ::kill(std::stoi(content(folder / "up")), signal);
    });
    EXPECT_EQ(ended.status, 128 + signal);
  }
};

TEST_P(Killed, by_sigkill_leaves_nothing) { expect_end_by(SIGKILL); }  // SHU-31
TEST_P(Killed, by_sigterm_leaves_nothing) { expect_end_by(SIGTERM); }
TEST_P(Killed, by_sigsegv_leaves_nothing) { expect_end_by(SIGSEGV); }
TEST_P(Killed, by_sigint_leaves_nothing) { expect_end_by(SIGINT); }

INSTANTIATE_TEST_SUITE_P(Program, Endings, testing::Values(0, 1, 2), name_of_launch);
INSTANTIATE_TEST_SUITE_P(Program, Killed, testing::Values(0, 2), name_of_launch);

TEST(Program, executor_made_before_run_throws) {
  const Ended ended = run(0, {kEndings, "executor-before-run"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("Error: "), HasSubstr("run")));
}

TEST(Program, second_run_throws) {  // COM-07
  const Ended ended = run(0, {kEndings, "run-twice"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("Error: "), HasSubstr("twice")));
}

TEST(Program, another_build_on_one_rank_is_refused_by_name) {
  // Not by two programs in one command line, for which Debian 13's mpirun ends with a segmentation fault.
  const std::string choice = "[ $OMPI_COMM_WORLD_RANK = 0 ] || shift; exec \"$1\" square";
  const Ended ended = run(2, {"bash", "-c", choice, "bash", kEndings, PROGRAM_OTHER_BUILD});
  EXPECT_THAT(ended.err, AllOf(HasSubstr("rank 1 on "), HasSubstr("another build"), HasSubstr(PROGRAM_OTHER_BUILD)));
  EXPECT_EQ(ended.out, "49\n");
  EXPECT_EQ(ended.status, 0);
}

}  // namespace
}  // namespace rankpool::tools
