#include "program_run.hpp"

// What programs had before `run`, and what their tasks find of it: started bare, under mpirun, by rankpool-run.
namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kInherited = PROGRAM_INHERITED;

/// How a program is started: 0 bare, -1 by rankpool-run with two ranks, else by mpirun.
class Inherited : public Launched {
 protected:
  Ended start(const Words& arguments, const Words& before = {}) {
    Words program = before;
    program.push_back(kInherited);
    program.push_back(arguments.front());
    program.push_back(folder.path());
    program.insert(program.end(), arguments.begin() + 1, arguments.end());
    if (GetParam() >= 0) return run(GetParam(), program);
    Words words{RANKPOOL_RUN, "-n", "2", "--"};
    words.insert(words.end(), program.begin(), program.end());
    return run(0, words);
  }
  /// Sizes of files whose names begin so.
  std::vector<std::uintmax_t> sizes(const std::string& prefix) {
    std::vector<std::uintmax_t> found;
    for (const auto& file : std::filesystem::directory_iterator(folder.path())) {
      if (file.path().filename().string().starts_with(prefix)) found.push_back(file.file_size());
    }
    return found;
  }
};

const std::string kLost = "lost: BrokenProcessPool worker ";

TEST_P(Inherited, sigchld_that_is_ignored) {
  const Ended ended = start({"lose"}, {"env", "--ignore-signal=CHLD"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith(kLost), HasSubstr("ended by SIGKILL"), HasSubstr("\nthen: 49\n")));
  EXPECT_THAT(ended.err, IsEmpty());
}

TEST_P(Inherited, sigchld_that_is_handled) {
  const Ended ended = start({"lose-with-handler"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith(kLost), HasSubstr("\nthen: 49\n")));
  EXPECT_THAT(ended.err, IsEmpty());
}

TEST_P(Inherited, threads_are_told_of_once_with_their_number) {  // SUB-37
  const Ended ended = start({"lose-with-threads"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith(kLost), HasSubstr("\nthen: 49\n")));
  EXPECT_THAT(ended.err, StartsWith("rankpool: warning: 2 threads were there before rankpool::run()"));
  EXPECT_EQ(times(ended.err, "\n"), 1) << ended.err;
}

TEST_P(Inherited, open_files_are_the_same_in_tasks) {
  const Ended ended = start({"files"});
  EXPECT_EQ(ended.out, "log: 190\noffset: 7\nafter: 36\n");
  EXPECT_EQ(ended.status, 0);
  const std::string all = run(0, {"bash", "-c", "cat " + folder.path() + "/log-* | sort -k 2n"}).out;
  std::string expected;
  for (int i = 0; i < 20; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(all, expected);
}

TEST_P(Inherited, task_that_closes_all_from_three_up_costs_its_worker_at_most) {
  const Ended ended = start({"close-in-task"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, HasSubstr("another: 25\n"));
  EXPECT_EQ(times(ended.out, "next: "), 3) << ended.out;
  for (const auto size : sizes("of-task-")) EXPECT_EQ(size, 0U);
  EXPECT_EQ(sizes("of-task-").size(), 1U);
}

TEST_P(Inherited, standard_streams_that_are_closed) {  // SUB-40
  const Ended ended = start({"closed-streams"}, {"bash", "-c", "exec \"$@\" 0<&- 1>&- 2>&-", "bash"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out + ended.err, IsEmpty());
  EXPECT_EQ(run(0, {"bash", "-c", "cat " + folder.path() + "/told-*"}).out, "14 open open open \n");
}

TEST_P(Inherited, ignored_signals_stay_ignored_handled_ones_do_not_and_none_is_blocked) {
  const Ended ended = start({"signals"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, AllOf(StartsWith("signals: " + std::to_string(SIGHUP) + "i " + std::to_string(SIGPIPE) + "i " +
                                          std::to_string(SIGCHLD) + "i " + std::to_string(SIGRTMIN + 3) + "i \n"),
                               HasSubstr("pipe: Broken pipe\n")));
}

TEST_P(Inherited, process_that_a_task_forks_gives_no_outcome) {
  for (const char* const how : {"return", "throw", "exit", "clone", "daemon"}) {
    const Ended ended = start({"fork", how});
    EXPECT_EQ(ended.out, "bad: 0 30\n") << how << ended.err;
    EXPECT_EQ(ended.status, 0) << how;
  }
}

TEST_P(Inherited, process_that_main_forks_is_refused_and_harms_nothing) {
  const Ended ended = start({"fork-in-main"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out,
            "submit refused\nresult refused\nmap refused\nbootup refused\npool refused\nget refused\nworkers 0\n"
            "child 0\npending: 8\nshared: 3\nafter: 36\n");
}

TEST_P(Inherited, keeper_is_no_child_that_main_can_wait_for) {
  for (const char* const how : {"wait", "wait-with-threads"}) {
    const Ended ended = start({how});
    EXPECT_EQ(ended.status, 0) << how;
    EXPECT_EQ(ended.out, "before: 25\nchildren: 3\nafter: 36\n") << how;
  }
}

INSTANTIATE_TEST_SUITE_P(Program, Inherited, testing::Values(0, 2, -1), [](const auto& how) {
  return how.param < 0 ? std::string("rankpool_run_2") : name_of_launch(how);
});

class Bare : public Inherited {};

TEST_P(Bare, main_that_closes_all_from_three_up_is_told_and_ends) {
  const Ended ended = start({"close-in-main"});
  EXPECT_THAT(ended.out,
              AllOf(StartsWith("before: 25\n"),
                    AnyOf(HasSubstr("after: 36\n"), HasSubstr("closed descriptors"), HasSubstr("the keeper process"))));
  for (const auto size : sizes("of-task-")) EXPECT_EQ(size, 0U);
}

/// Works, or says in a sentence which limit it is.
TEST_P(Bare, small_limits_are_named_or_suffice) {
  struct Case {
    const char* limit;
    const char* name;
  };
  for (const auto& [limit, name] :
       {Case{"-n 10", "ulimit -n"}, Case{"-n 7", "ulimit -n"}, Case{"-n 5", "ulimit -n"}, Case{"-f 1", "ulimit -f"},
        Case{"-v 40000", "ulimit -v"}, Case{"-v 20000", "ulimit -v"}}) {
    const Ended ended = start({"little"}, {"bash", "-c", std::string("ulimit ") + limit + "; exec \"$@\"", "bash"});
    if (ended.out == "little: 49\n") {
      EXPECT_EQ(ended.status, 0) << limit;
      continue;
    }
    if (ended.status == 127) continue;  // the program itself could not be loaded
    EXPECT_THAT(ended.out + ended.err, HasSubstr(name)) << limit;
    EXPECT_LT(ended.status, 128) << limit << ended.err;
  }
}

TEST_P(Bare, result_for_which_there_is_no_memory_fails_its_own_future) {
  const std::size_t size = std::size_t{600} << 20U;
  const Ended ended = start({"much", std::to_string(size)}, {"bash", "-c", "ulimit -v 1000000; exec \"$@\"", "bash"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out,
              AllOf(StartsWith("before: 25\nmuch: "), HasSubstr("memory"), HasSubstr("after: 36\nother: 49\n")));
}

/// Two ranks; a part of a shell script does something to rank 1 first, and then becomes the program.
Ended with_rank_1(const std::string& prepare, const Words& program, Words words = {}, const Words& variables = {}) {
  for (const auto& word :
       {std::string("bash"), std::string("-c"),
        "if [ $OMPI_COMM_WORLD_RANK = 1 ]; then " + prepare + "; fi; exec \"$@\"", std::string("bash")}) {
    words.push_back(word);
  }
  words.insert(words.end(), program.begin(), program.end());
  return run(2, words, variables);
}

TEST(AgentThatFails, for_want_of_memory_for_a_broadcast_says_why_on_rank_zero) {
  // In name spaces of processes of their own: else rank 0 itself gives the broadcast to the workers of its node.
  if (std::system("unshare --pid --fork --mount-proc true 2>/dev/null") != 0) GTEST_SKIP() << "no name spaces";
  const Ended ended =
      with_rank_1("ulimit -f 20000", {kInherited, "broadcast", "/", std::to_string(30 << 20U)},
                  {"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}, {"OMPI_MCA_btl=tcp,self"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("rank 1 (on "), HasSubstr("lost: it failed by itself: "),
                               HasSubstr("(ulimit -f)"), HasSubstr("another: 25\n")));
  EXPECT_THAT(ended.err, Not(HasSubstr("terminate")));
}

TEST(AgentThatFails, for_rank_zero_that_cannot_be_reached_says_so) {
  const Ended ended = with_rank_1("export LD_PRELOAD=" PROGRAM_NO_CONNECT, {kInherited, "little", "/"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "little: 49\n");
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("rank 1 takes no part: it failed by itself: "), HasSubstr("cannot be reached")));
}

/// With mounts of its own: nobody else sees them.
class Namespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("unshare --mount --pid --fork true 2>/dev/null") != 0) GTEST_SKIP() << "namespaces cannot be made";
  }
  /// `script` is a shell script in which $1 is this test's folder and $2 the program.
  Ended in_shell(const std::string& script, const Words& options = {"--mount"}) {
    Words words{"unshare"};
    words.insert(words.end(), options.begin(), options.end());
    for (const auto& word :
         {std::string("bash"), std::string("-c"), script, std::string("bash"), folder.path(), kInherited}) {
      words.push_back(word);
    }
    return run(0, words);
  }
  Folder folder;
};

TEST_F(Namespaces, no_proc) {
  const Ended ended = in_shell("mount -t tmpfs none /proc && export UCX_LOG_LEVEL=fatal && exec \"$2\" little \"$1\"");
  EXPECT_EQ(ended.out, "little: 49\n");
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(ended.status, 0);
}

TEST_F(Namespaces, process_one) {
  const Words pid_one{"--mount", "--pid", "--fork", "--mount-proc"};
  Ended ended = in_shell("exec \"$2\" wait \"$1\"", pid_one);
  EXPECT_EQ(ended.out, "before: 25\nchildren: 3\nafter: 36\n");
  EXPECT_EQ(ended.status, 0);
  ended = in_shell("exec \"$2\" lose \"$1\"", pid_one);
  EXPECT_THAT(ended.out, HasSubstr("ended by SIGKILL"));
  EXPECT_EQ(ended.status, 0);
}

TEST_F(Namespaces, shared_memory_that_is_tiny_or_read_only) {
  for (const char* const how : {"size=64k", "size=1m", "ro"}) {
    const std::string mount = "mount -o " + std::string(how) + " -t tmpfs none /dev/shm || exit 125\n";
    EXPECT_EQ(in_shell(mount + "exec \"$2\" little \"$1\"").out, "little: 49\n") << how;
    const Ended ended = in_shell(mount + "mpirun --oversubscribe -n 2 \"$2\" little \"$1\"");
    EXPECT_TRUE(ended.out == "little: 49\n" || !ended.err.empty()) << how << ended.out;
    EXPECT_LT(ended.status, 124) << how << ended.err;
  }
}

/// The processes of these name spaces have the same numbers each time, which Open MPI 5 names its folder by; a killed
/// one leaves that behind.
const std::string kOwnFolders = "mount -t tmpfs none /dev/shm && export TMPDIR=\"$1\" || exit 125\n";

/// Shell: prints what is left in /dev/shm once nothing runs there any more.
const std::string kListLeft =
    "for i in $(seq 100); do pgrep 'program_inherit|rankpool-' >/dev/null || break; sleep 0.1; done\nls /dev/shm\n";

TEST_F(Namespaces, segment_of_a_rank_that_is_killed_is_removed) {
  const Ended ended = in_shell(kOwnFolders + "mpirun --oversubscribe -n 3 \"$2\" kill-rank-1 \"$1\"\n" + kListLeft,
                               {"--mount", "--pid", "--fork", "--mount-proc"});
  EXPECT_EQ(ended.out, "little: 49\n");
}

TEST_F(Namespaces, segments_are_removed_though_mpirun_is_killed) {
  const Ended ended = in_shell(kOwnFolders +
                                   "mpirun --oversubscribe -n 3 \"$2\" busy \"$1\" & pid=$!\n"
                                   "for i in $(seq 200); do [ -e \"$1/up\" ] && break; sleep 0.1; done\n"
                                   "ls /dev/shm | grep -c _segment\nkill -9 $pid\n" +
                                   kListLeft,
                               {"--mount", "--pid", "--fork", "--mount-proc"});
  EXPECT_EQ(ended.out, "3\n");
}

TEST(RankpoolRun, works_where_mca_base_env_list_is_set) {
  const Ended ended = run(
      0,
      {RANKPOOL_RUN, "-n", "2", "--", "bash", "-c", "[ $FOO = 5 ] && exec \"$@\"", "bash", kInherited, "little", "/"},
      {"OMPI_MCA_mca_base_env_list=FOO=5"});
  EXPECT_EQ(ended.out, "little: 49\n") << ended.err;
  EXPECT_EQ(ended.status, 0);
}

INSTANTIATE_TEST_SUITE_P(Program, Bare, testing::Values(0), name_of_launch);

}  // namespace
}  // namespace rankpool::tools
