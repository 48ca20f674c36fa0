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

TEST_P(Endings, ReturnValueOfMainIsTheStatus) {  // COM-01
  const Ended ended = end("return-5");
  EXPECT_EQ(ended.status, 5);
  EXPECT_THAT(ended.err, Not(HasSubstr("rankpool")));
}

TEST_P(Endings, ExceptionThatLeavesMainIsToldAndTheStatusIsOne) {  // COM-12
  const Ended ended = end("throw");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("std::runtime_error: the text of the exception"));
}

TEST_P(Endings, WhatIsNoExceptionIsToldToo) {
  const Ended ended = end("throw-int");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("an exception has left main"));
}

TEST_P(Endings, ExceptionOfATaskIsToldWithItsPlace) {
  const Ended ended = end("throw-from-task");
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("thrown in a task"), HasSubstr("worker"), HasSubstr("rank 0")));
}

TEST_P(Endings, TheFirstFailureOfAMapTellsHowManyOthersFailed) {
  for (const std::string how : {"throw-from-map", "throw-from-to-vector", "throw-from-pool-map"}) {
    const Ended ended = end(how);
    EXPECT_EQ(ended.status, 1) << how;
    EXPECT_THAT(ended.err, AllOf(HasSubstr("std::domain_error: zero"), HasSubstr("\n  2 other items failed, too")))
        << how;
  }
}

TEST_P(Endings, PthreadExitInMainEndsTheJobInOrder) {
  for (const std::string how : {"pthread-exit", "pthread-exit-with-a-thread"}) {
    const Ended ended = end(how);
    EXPECT_EQ(ended.status, 0) << how;
    EXPECT_THAT(ended.err, Not(HasSubstr("FATAL"))) << how;
    EXPECT_EQ(tasks_done(), 10) << how;
    EXPECT_EQ(std::filesystem::exists(folder / "thread"), how == "pthread-exit-with-a-thread");
    for (int i = 0; i < 10; ++i) std::filesystem::remove(folder / ("done-" + std::to_string(i)));
  }
}

TEST_P(Endings, SubmittedWorkIsFinishedBeforeAnExceptionEndsTheProgram) {
  EXPECT_EQ(end("throw-with-open-executor").status, 1);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, SubmittedWorkIsFinishedBeforeStdExit) {  // SHU-03, SHU-08
  EXPECT_EQ(end("exit-3").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, SubmittedWorkIsFinishedBeforeStdExitInAThread) {
  EXPECT_EQ(end("exit-3-in-a-thread").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, StdExitInAThreadWhileMainWaitsForAResult) {
  EXPECT_EQ(end("exit-3-in-a-thread-while-main-waits").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, ExecutorWithStaticStorageFinishesItsWork) {
  EXPECT_EQ(end("static-executor").status, 5);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, ExecutorWithStaticStorageFinishesItsWorkBeforeStdExit) {
  EXPECT_EQ(end("static-executor-exit-3").status, 3);
  EXPECT_EQ(tasks_done(), 10);
}

TEST_P(Endings, PoolWithStaticStorageHoldsNothingUp) {  // CTJ-12
  const Ended ended = end("static-pool");
  EXPECT_EQ(ended.status, 5);
  EXPECT_THAT(ended.err, Not(HasSubstr("rankpool")));
}

TEST_P(Endings, MoreWorkersThanCores) {
  const Ended ended = run(GetParam(), {kEndings, "many-workers", "40"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "40\n");
}

TEST_P(Endings, WorkersThatShareCoresAreToldOfOnceWhereThereIsAJob) {
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

TEST_P(Endings, WorkersThatHaveACoreEachAreNotToldOf) {
  EXPECT_THAT(run(GetParam(), {kEndings, "square"}, {"RANKPOOL_MAX_WORKERS=1", "RANKPOOL_WORKERS=1"}).err, IsEmpty());
}

TEST_P(Endings, MoreWorkersThanFilesThatMayBeOpen) {
  const Ended ended =
      run(GetParam(), {"bash", "-c", "ulimit -Sn 64; exec \"$@\"", "bash", kEndings, "many-workers", "200"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "200\n");
}

TEST_P(Endings, MainTakesArguments) {
  const Ended ended = run(GetParam(), {kEndings, "form-arguments", "two words", "", "--help"});
  EXPECT_EQ(ended.status, 5);
  EXPECT_EQ(ended.out, "[two words][][--help]\n");
}

TEST_P(Endings, MainTakesNothing) { EXPECT_EQ(end("form-nothing").status, 6); }

TEST_P(Endings, MainReturnsNothing) {
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

TEST_P(Killed, BySigkillLeavesNothing) { expect_end_by(SIGKILL); }  // SHU-31
TEST_P(Killed, BySigtermLeavesNothing) { expect_end_by(SIGTERM); }
TEST_P(Killed, BySigsegvLeavesNothing) { expect_end_by(SIGSEGV); }
TEST_P(Killed, BySigintLeavesNothing) { expect_end_by(SIGINT); }

INSTANTIATE_TEST_SUITE_P(Program, Endings, testing::Values(0, 1, 2), name_of_launch);
INSTANTIATE_TEST_SUITE_P(Program, Killed, testing::Values(0, 2), name_of_launch);

TEST(Program, ExecutorMadeBeforeRunThrows) {
  const Ended ended = run(0, {kEndings, "executor-before-run"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("Error: "), HasSubstr("run")));
}

TEST(Program, SecondRunThrows) {  // COM-07
  const Ended ended = run(0, {kEndings, "run-twice"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("Error: "), HasSubstr("twice")));
}

TEST(Program, AnotherBuildOnOneRankIsRefusedByName) {
  // Not by two programs in one command line, for which Debian 13's mpirun ends with a segmentation fault.
  const std::string choice = "[ $OMPI_COMM_WORLD_RANK = 0 ] || shift; exec \"$1\" square";
  const Ended ended = run(2, {"bash", "-c", choice, "bash", kEndings, PROGRAM_OTHER_BUILD});
  EXPECT_THAT(ended.err, AllOf(HasSubstr("rank 1 on "), HasSubstr("another build"), HasSubstr(PROGRAM_OTHER_BUILD)));
  EXPECT_EQ(ended.out, "49\n");
  EXPECT_EQ(ended.status, 0);
}

}  // namespace
}  // namespace rankpool::tools
