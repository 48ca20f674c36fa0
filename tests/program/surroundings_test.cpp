#include "program_run.hpp"

// What programs find around themselves: variables, cores, room for processes. And that they leave nothing there.
namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const std::string kSurroundings = PROGRAM_SURROUNDINGS;

using Environment = Launched;

TEST_P(Environment, each_nonsense_value_gives_one_warning_and_the_default) {
  const Words nonsense{"RANKPOOL_MAX_WORKERS=0", "RANKPOOL_WORKERS=many", "RANKPOOL_LOST_AFTER=-1",
                       "RANKPOOL_INTERFACE=ib7", "RANKPOOL_LOG=loud"};
  const Ended ended = run(GetParam(), {kSurroundings, "square"}, nonsense);
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "49\n");
  for (const auto& variable : nonsense) {
    EXPECT_EQ(times(ended.err, variable.substr(0, variable.find('=')) + "=\""), 1) << variable << ended.err;
  }
}

TEST_P(Environment, interface_that_does_not_exist_is_told_in_one_line_with_those_there_are) {
  const Ended ended = run(GetParam(), {kSurroundings, "square"}, {"RANKPOOL_INTERFACE=ib7"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "49\n");
  EXPECT_THAT(ended.err, AllOf(StartsWith("rankpool: warning: RANKPOOL_INTERFACE=\"ib7\" is not "), HasSubstr(" lo"),
                               EndsWith("; using all of them\n")));
  EXPECT_EQ(times(ended.err, "\n"), 1) << ended.err;
}

TEST_P(Environment, interface_by_name_and_by_address) {
  for (const char* const interface : {"lo", "127.0.0.1", "::1"}) {
    const Ended ended = run(GetParam(), {kSurroundings, "square"}, {std::string("RANKPOOL_INTERFACE=") + interface});
    EXPECT_EQ(ended.out, "49\n") << interface;
    EXPECT_THAT(ended.err, IsEmpty()) << interface;
  }
}

TEST_P(Environment, number_of_workers_is_taken_from_it) {  // SUB-19
  EXPECT_EQ(run(GetParam(), {kSurroundings, "workers"}, {"RANKPOOL_MAX_WORKERS=3"}).out, "3\n");
  EXPECT_EQ(run(GetParam(), {kSurroundings, "workers"}, {"RANKPOOL_WORKERS=3"}).out,
            std::to_string(3 * std::max(GetParam(), 1)) + "\n");
  EXPECT_EQ(run(GetParam(), {kSurroundings, "five-workers"}, {"RANKPOOL_MAX_WORKERS=3"}).out, "5\n");
}

INSTANTIATE_TEST_SUITE_P(Program, Environment, testing::Values(0, 2), name_of_launch);

using World = Launched;

TEST_P(World, map_works_without_and_with_a_long_timeout_and_throws_with_none) {  // MAP-54, COM-02
  EXPECT_EQ(run(GetParam(), {kSurroundings, "map"}).out, "1 4 9 \n1 4 9 \nTimeoutError\n");
}

TEST_P(World, pool_that_is_refused_in_a_task_leaves_no_noise) {  // DLK-24
  const Ended ended = run(GetParam(), {kSurroundings, "pool-in-a-task"});
  EXPECT_EQ(ended.out, "pools cannot be used inside a task\n");
  EXPECT_THAT(ended.err, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Program, World, testing::Values(0, 1, 2), name_of_launch);

TEST(Program, mpi_that_allows_no_threads_is_named_at_the_start) {  // SUB-26
  const Ended ended = run(1, {"env", std::string("LD_PRELOAD=") + PROGRAM_NO_THREADS, kSurroundings, "square"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("this MPI does not support threads (MPI_THREAD_FUNNELED)"));
}

TEST(Program, threads_have_names) {  // SHU-34
  EXPECT_THAT(run(0, {kSurroundings, "threads"}).out, EndsWith("rankpool calls\nrankpool engine\n"));
}

TEST(Program, may_be_the_child_of_another) { EXPECT_EQ(run(0, {kSurroundings, "child"}).out, "49\n"); }  // CTJ-13

TEST(Program, loss_of_the_keeper_is_told_to_all_that_wait) {  // BRK-07
  const Ended ended = run(0, {kSurroundings, "lost-keeper"});
  EXPECT_EQ(ended.status, 0);
  const std::string why = "the keeper process of rank 0 is gone, and all its workers with it\n";
  EXPECT_EQ(times(ended.out, "BrokenProcessPool: "), 5) << ended.out;
  EXPECT_EQ(times(ended.out, why), 5) << ended.out;
  EXPECT_EQ(ended.err, "rankpool: error: the engine has failed: " + why);
}

/// In namespaces of its own the program sees other files in some places, and nobody else sees them.
class Secluded : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("unshare --mount --net true 2>/dev/null") != 0) GTEST_SKIP() << "namespaces cannot be made";
  }
  /// `prepare` is a part of a shell script, $1 in it is this test's folder.
  Ended run_after(const std::string& prepare, const Words& program, const std::function<void()>& meanwhile = {}) {
    Words words{"unshare", "--mount", "--net", "bash", "-c", prepare, "bash", folder.path()};
    words.insert(words.end(), program.begin(), program.end());
    return run(0, words, {}, "", meanwhile);
  }
  /// The number of workers where the cgroup's files have these texts.
  std::string workers_with_quota(const std::string& cpu_max, const std::string& quota, const std::string& period) {
    const std::string prepare =
        "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/cpu && cd /sys/fs/cgroup || exit 125\n"
        "echo '" +
        cpu_max + "' >cpu.max; echo '" + quota +
        "' >cpu/cpu.cfs_quota_us\n"
        "echo '" +
        period + "' >cpu/cpu.cfs_period_us; shift; exec \"$@\"";
    return run_after(prepare, {kSurroundings, "workers"}).out;
  }

  Folder folder;
};

TEST_F(Secluded, cores_are_those_of_the_mask_and_the_quota) {  // SUB-11
  const std::string all = run_after("shift; exec \"$@\"", {kSurroundings, "workers"}).out;
  EXPECT_EQ(run_after("shift; exec taskset -c 0 \"$@\"", {kSurroundings, "workers"}).out, "1\n");
  EXPECT_EQ(workers_with_quota("100000 100000", "100000", "100000"), "1\n");
  EXPECT_EQ(workers_with_quota("max 100000", "-1", "100000"), all);
}

TEST_F(Secluded, quota_that_cannot_be_read_or_understood_is_none) {  // SUB-09, SUB-11
  const std::string all = run_after("shift; exec \"$@\"", {kSurroundings, "workers"}).out;
  EXPECT_EQ(run_after("mount -t tmpfs none /sys; shift; exec \"$@\"", {kSurroundings, "workers"}).out, all);
  EXPECT_EQ(workers_with_quota("many 100000", "1e", "0"), all);
  EXPECT_EQ(workers_with_quota("", "", ""), all);
}

/// Whatever way a program ends, it leaves no file and no socket that has a name.
class NamedThings : public Secluded {
 protected:
  Ended end(const std::string& how, const std::function<void()>& meanwhile = {}) {
    // Not exec: the shell outlives the program and looks.
    const std::string prepare =
        "mount -t tmpfs none /dev/shm || exit 125\n"
        "export TMPDIR=$1/tmp; mkdir $TMPDIR; shift; \"$@\"; status=$?\n"
        "find /dev/shm $TMPDIR -mindepth 1; awk 'NR > 1 && NF > 7 { print $8 }' /proc/net/unix; exit $status";
    std::filesystem::remove_all(folder / "tmp");
    std::filesystem::remove(folder / "up");
    return run_after(prepare, {PROGRAM_ENDINGS, how, folder.path()}, meanwhile);
  }
};

TEST_F(NamedThings, are_not_left_by_a_program_that_ends) {  // RES-09
  for (const char* const how : {"return-5", "throw", "exit-3", "throw-from-task", "static-executor"}) {
    EXPECT_EQ(end(how).out, "") << how;
  }
}

TEST_F(NamedThings, are_not_left_by_a_program_that_is_killed) {  // RES-09
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    const Ended ended = end("busy", [&] {
      ASSERT_TRUE(until([&] { return std::filesystem::exists(folder / "up"); }));
      ::kill(std::stoi(content(folder / "up")), signal);
    });
    EXPECT_EQ(ended.status, 128 + signal);
    EXPECT_EQ(ended.out, "");
  }
}

/// A bare program with room for so many processes and threads: itself, its keeper and its engine thread are three.
class Room : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  }
  static Ended run_with(int number) { return run(0, {kSurroundings, "five-workers", std::to_string(number)}); }
};

TEST_F(Room, for_three_of_five_workers_makes_a_pool_of_three) {  // CTJ-11
  const Ended ended = run_with(6);
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "3\n");
}

TEST_F(Room, for_no_worker_breaks_the_pool_which_says_why) {  // CTJ-11
  const Ended ended = run_with(3);
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(StartsWith("BrokenProcessPool: "), HasSubstr("Resource temporarily unavailable")));
}

TEST_F(Room, for_no_engine_ends_the_job_which_says_why) {  // SHU-30
  const Ended ended = run_with(2);
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(StartsWith("rankpool: error: the job cannot start: Resource temporarily unavailable"),
                               HasSubstr("this user may have 2 processes and threads (ulimit -u)\n")));
}

TEST_F(Room, for_no_keeper_ends_the_job_which_says_why) {
  const Ended ended = run_with(1);
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.err,
            "rankpool: error: the job cannot start: a keeper process: Resource temporarily unavailable: this user may "
            "have 1 processes and threads (ulimit -u)\n");
}

TEST_F(Room, for_no_callback_thread_refuses_callbacks_and_nothing_waits_for_them) {  // SHU-30
  const Ended ended = run(0, {kSurroundings, "callbacks-without-room"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  const std::string refusal = "the thread for callbacks cannot be started: Resource temporarily unavailable\n";
  EXPECT_EQ(ended.out, refusal + refusal + "81 49 64\n");
}

}  // namespace
}  // namespace rankpool::tools
