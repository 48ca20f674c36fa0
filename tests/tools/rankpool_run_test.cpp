// rankpool-run for real. "mpirun_N" in a name: under the real mpirun with N ranks. Elsewhere a script takes mpirun's
// place, so that it can do what mpirun does only in bad moments.
#include "started_program.hpp"

#include <gmock/gmock.h>

#include <pty.h>
#include <algorithm>

namespace rankpool::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

/// Under root Open MPI wants to be asked twice.
const Words kRootToo{"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"};

Words command(const Words& arguments) {
  Words words{RANKPOOL_RUN};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

struct Ended {
  int status = -1;
  std::string out;
  std::string err;
  std::chrono::steady_clock::duration took{};
};

/// Runs rankpool-run to its end; nothing may be left when it has ended.
Ended run(const Words& arguments, const Words& variables = kRootToo, const std::string& input = "") {
  // About one mpirun in a hundred hangs before it has started anything, whatever that is.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto start = std::chrono::steady_clock::now();
    StartedProgram program(command(arguments), variables, input);
    const auto status = program.await();
    if (!status) {
      std::cerr << "no end within a minute:\n" << program.err() << (attempt == 0 ? "once more\n" : "");
      continue;
    }
    // Bare there is no rankpool-run any more: the keeper learns a moment later that the program was killed.
    const bool bare = std::find(arguments.begin(), arguments.end(), "-n") == arguments.end();
    if (bare) until([&] { return program.remains().empty(); }, 5s);
    EXPECT_THAT(program.remains(), IsEmpty());
    return {*status, program.out(), program.err(), std::chrono::steady_clock::now() - start};
  }
  ADD_FAILURE() << "did not end";
  return {};
}

/// A "mpirun" of the test's own, first in PATH.
class FakeMpirun {
 public:
  explicit FakeMpirun(const std::string& body, const std::string& version = "4.1.4") {
    folder_.script("mpirun", "[ \"$1\" = --version ] && { echo 'mpirun (Open MPI) " + version + "'; exit; }\ncd " +
                                 folder_.path() + "\n" + body);
  }
  [[nodiscard]] Words variables() const { return {"PATH=" + folder_.path() + ":" + std::getenv("PATH")}; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ / name; }

 private:
  Folder folder_;
};

const std::string kReporter = TOOLS_REPORTER;
const std::string kProgram = TOOLS_PROGRAM;

TEST(RankpoolRun, bare_is_the_program_itself) {
  EXPECT_THAT(run({kProgram, "ranks"}).out, StartsWith("1 ranks, "));
  EXPECT_THAT(run({"--workers", "3", kProgram, "ranks"}).out, "1 ranks, 3 workers, 7^2 is 49\n");
  EXPECT_EQ(run({kProgram, "exit", "7"}).status, 7);
  EXPECT_EQ(run({kProgram, "signal", "11"}).status, 139);
}

TEST(RankpoolRun, mpirun_2_returns_rank_0s_status) {
  EXPECT_EQ(run({"-n", "2", kProgram, "exit", "0"}).status, 0);
  EXPECT_EQ(run({"-n", "2", kProgram, "exit", "7"}).status, 7);
  EXPECT_EQ(run({"-n", "2", kProgram, "signal", "11"}).status, 139);
  EXPECT_EQ(run({"-n", "2", kProgram, "signal", "9"}).status, 137);
}

TEST(RankpoolRun, mpirun_3_returns_rank_0s_status_although_another_rank_died) {
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-rank", "0"}).status, 0);
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-rank", "7"}).status, 7);
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-rank", "signal"}).status, 139);
}

TEST(RankpoolRun, mpirun_3_returns_rank_0s_status_although_another_rank_died_with_its_keeper) {
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-keeper", "0"}).status, 0);
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-keeper", "7"}).status, 7);
  EXPECT_EQ(run({"-n", "3", kProgram, "lose-keeper", "signal"}).status, 139);
}

TEST(RankpoolRun, mpirun_2_hands_workers_and_input_on) {
  EXPECT_EQ(run({"-n", "2", "--workers", "3", kProgram, "ranks"}).out, "2 ranks, 3 workers, 7^2 is 49\n");
  EXPECT_EQ(run({"-n", "2", kProgram, "echo"}, kRootToo, "a line\n").out, "a line\n");
}

TEST(RankpoolRun, mpirun_2_interface_that_does_not_exist_is_told_once) {
  Words variables = kRootToo;
  variables.emplace_back("RANKPOOL_INTERFACE=ib7");
  const auto ended = run({"-n", "2", kProgram, "exit", "7"}, variables);
  EXPECT_EQ(ended.status, 7);
  const auto told = ended.err.find("RANKPOOL_INTERFACE=\"ib7\" is not ");
  EXPECT_NE(told, std::string::npos) << ended.err;
  EXPECT_EQ(told, ended.err.rfind("RANKPOOL_INTERFACE")) << ended.err;
}

TEST(RankpoolRun, mpirun_64_too_few_slots_are_explained) {
  const auto ended = run({"-n", "64", "-H", "localhost:2", "--", kProgram, "exit", "0"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("not enough slots"), HasSubstr("rankpool-run: mpirun ended with exit code 1"),
                               HasSubstr("raise slots= in the host file or put --oversubscribe before --")));
}

TEST(RankpoolRun, mpirun_1_inside_mpirun_is_refused) {
  const auto ended = run({"-n", "1", "--", RANKPOOL_RUN, "-n", "1", kProgram, "exit", "0"});
  EXPECT_NE(ended.status, 0);
  EXPECT_THAT(ended.err, HasSubstr("this is already a rank of an mpirun"));
}

/// Starts, waits until the job is up, sends the signal, and gives the status.
int status_after(const Words& arguments, int signal) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Folder folder;
    Words words = arguments;
    words.push_back(folder / "up");
    StartedProgram program(command(words), kRootToo);
    if (!until([&] { return std::filesystem::exists(folder / "up"); }, 60s)) {
      std::cerr << "not up within a minute:\n" << program.err() << (attempt == 0 ? "once more\n" : "");
      continue;
    }
    program.send(signal);
    const auto status = program.await();
    EXPECT_TRUE(status) << "still there";
    // What is killed itself cannot see to it; bare it is the program, and its keeper follows it.
    if (signal == SIGKILL || arguments.front() == kProgram) {
      EXPECT_TRUE(until([&] { return program.remains().empty(); }));
    } else {
      EXPECT_THAT(program.remains(), IsEmpty());
    }
    return status.value_or(-1);
  }
  ADD_FAILURE() << "did not come up";
  return -1;
}

TEST(RankpoolRun, mpirun_2_hands_signals_on_to_rank_0) {
  EXPECT_EQ(status_after({"-n", "2", kProgram, "wait"}, SIGUSR1), 41);
  EXPECT_EQ(status_after({"-n", "2", kProgram, "wait"}, SIGUSR2), 42);
}

TEST(RankpoolRun, mpirun_2_ends_when_it_is_told_to) {
  EXPECT_EQ(status_after({"-n", "2", kProgram, "wait"}, SIGTERM), 143);
  // mpirun makes it SIGTERM for its ranks; when it kills them before they can report, it is SIGINT's.
  EXPECT_THAT(status_after({"-n", "2", kProgram, "wait"}, SIGINT), ::testing::AnyOf(130, 143));
}

TEST(RankpoolRun, mpirun_2_killed_itself_leaves_nothing) {
  EXPECT_EQ(status_after({"-n", "2", kProgram, "wait"}, SIGKILL), 137);
}

TEST(RankpoolRun, bare_signals_reach_the_program) {
  EXPECT_EQ(status_after({kProgram, "wait"}, SIGUSR1), 41);
  EXPECT_EQ(status_after({kProgram, "wait"}, SIGTERM), 143);
}

TEST(RankpoolRun, ends_a_launcher_that_hangs_after_rank_0) {
  // As an mpirun that has lost a node: not even SIGTERM ends it.
  const FakeMpirun mpirun("trap 'echo TERM >>signals' TERM\n" + kReporter + " exited 7\nwhile :; do sleep 0.05; done");
  const auto ended = run({"-n", "2", "--grace", "0.3", kProgram}, mpirun.variables());
  EXPECT_EQ(ended.status, 7);
  EXPECT_EQ(ended.err.find("rankpool-run:"), std::string::npos) << ended.err;
  EXPECT_EQ(content(mpirun.file("signals")), "TERM\n");
  EXPECT_GE(ended.took, 2300ms);
  EXPECT_LT(ended.took, 20s);
}

TEST(RankpoolRun, a_launcher_that_ends_in_time_gets_no_signal) {
  const FakeMpirun mpirun("trap 'echo TERM >>signals' TERM\n" + kReporter + " killed 11\nsleep 0.2; exit 205");
  EXPECT_EQ(run({"-n", "2", kProgram}, mpirun.variables()).status, 139);
  EXPECT_FALSE(std::filesystem::exists(mpirun.file("signals")));
}

TEST(RankpoolRun, ends_a_launcher_that_hangs_when_rank_0_is_lost) {
  const FakeMpirun mpirun(kReporter + " vanishes\nwhile :; do sleep 0.05; done");
  const auto ended = run({"-n", "2", "--grace", "0.1", kProgram}, mpirun.variables());
  EXPECT_EQ(ended.status, 143);  // the launcher's own: it ended by SIGTERM
  EXPECT_THAT(ended.err, HasSubstr("rank 0 is lost, with its keeper or its whole node: connection closed"));
}

TEST(RankpoolRun, without_a_report_returns_the_launchers_status) {
  const FakeMpirun failing("exit 9");
  EXPECT_EQ(run({"-n", "2", kProgram}, failing.variables()).status, 9);
  const FakeMpirun killed("kill -9 $$");
  EXPECT_EQ(run({"-n", "2", kProgram}, killed.variables()).status, 137);
}

TEST(RankpoolRun, a_program_of_another_kind_is_no_success_where_the_launcher_says_0_whatever_happens) {
  const FakeMpirun any("exit 0");
  const auto ended = run({"-n", "2", "true"}, any.variables());
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("Is this a rankpool program"));
  const FakeMpirun truthful("exit 0", "5.0.7");
  EXPECT_EQ(run({"-n", "2", "true"}, truthful.variables()).status, 0);
}

TEST(RankpoolRun, leaves_no_orphan_however_stubborn) {
  const FakeMpirun mpirun(
      "(trap '' TERM HUP; setsid sleep 1000 & setsid bash -c 'trap \"\" TERM; while :; do sleep 0.05; done' &) &\n"
      "sleep 0.3; " +
      kReporter + " exited 3");
  EXPECT_EQ(run({"-n", "2", kProgram}, mpirun.variables()).status, 3);
}

TEST(RankpoolRun, hands_each_signal_on_once) {
  const FakeMpirun mpirun(
      "for s in INT TERM HUP USR1 USR2; do trap \"echo $s >>signals\" $s; done\n: >up\n"
      "until [ -e done ]; do sleep 0.02; done\n" +
      kReporter + " exited 0");
  StartedProgram program(command({"-n", "2", kProgram}), mpirun.variables());
  ASSERT_TRUE(until([&] { return std::filesystem::exists(mpirun.file("up")); }));
  std::string expected;
  for (const auto& [signal, name] : {std::pair{SIGUSR1, "USR1"},
                                     {SIGUSR2, "USR2"},
                                     {SIGUSR1, "USR1"},
                                     {SIGHUP, "HUP"},
                                     {SIGINT, "INT"},
                                     {SIGTERM, "TERM"}}) {
    program.send(signal);
    expected += std::string(name) + "\n";
    ASSERT_TRUE(until([&] { return content(mpirun.file("signals")) == expected; })) << content(mpirun.file("signals"));
  }
  std::ofstream(mpirun.file("done")) << "";
  EXPECT_EQ(program.await(), 0);
  EXPECT_THAT(program.remains(), IsEmpty());
}

TEST(RankpoolRun, a_second_interrupt_ends_what_does_not_listen) {
  const FakeMpirun mpirun(
      "for s in INT TERM; do trap \"echo $s >>signals\" $s; done\n: >up\nwhile :; do sleep 0.02; done");
  StartedProgram program(command({"-n", "2", kProgram}), mpirun.variables());
  ASSERT_TRUE(until([&] { return std::filesystem::exists(mpirun.file("up")); }));
  program.send(SIGINT);
  ASSERT_TRUE(until([&] { return content(mpirun.file("signals")) == "INT\n"; }));
  program.send(SIGINT);
  ASSERT_TRUE(until([&] { return content(mpirun.file("signals")) == "INT\nTERM\n"; }));
  EXPECT_EQ(program.await(20s), 130);
  EXPECT_THAT(program.remains(), IsEmpty());
}

TEST(RankpoolRun, under_nohup_a_hang_up_is_not_handed_on) {
  const FakeMpirun mpirun(": >up\nuntil [ -e done ]; do sleep 0.02; done\n" + kReporter + " exited 4");
  StartedProgram program({"nohup", RANKPOOL_RUN, "-n", "2", kProgram}, mpirun.variables());
  ASSERT_TRUE(until([&] { return std::filesystem::exists(mpirun.file("up")); }));
  program.send(SIGHUP);
  std::ofstream(mpirun.file("done")) << "";
  EXPECT_EQ(program.await(), 4);
}

TEST(RankpoolRun, killed_itself_the_launcher_is_told_to_end) {
  const FakeMpirun mpirun("trap 'echo TERM >>signals; exit' TERM\n: >up\nwhile :; do sleep 0.02; done");
  StartedProgram program(command({"-n", "2", kProgram}), mpirun.variables());
  ASSERT_TRUE(until([&] { return std::filesystem::exists(mpirun.file("up")); }));
  program.send(SIGKILL);
  EXPECT_EQ(program.await(), 137);
  EXPECT_TRUE(until([&] { return program.remains().empty(); }));
  EXPECT_EQ(content(mpirun.file("signals")), "TERM\n");
}

TEST(RankpoolRun, at_a_terminal_the_launcher_reads_it_and_is_interrupted_once) {
  const FakeMpirun mpirun(
      "trap 'echo INT >>signals' INT\nread line; echo \"$line\" >line; : >up\n"
      "until [ -e done ]; do sleep 0.02; done\n" +
      kReporter + " exited 6");
  const Words variables = mpirun.variables();
  int terminal = -1;
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    for (const auto& variable : variables) ::putenv(const_cast<char*>(variable.c_str()));
    ::execl(RANKPOOL_RUN, RANKPOOL_RUN, "-n", "2", kProgram.c_str(), nullptr);
    ::_exit(125);
  }
  ASSERT_GT(pid, 0);
  (void)!::write(terminal, "typed\n", 6);
  EXPECT_TRUE(until([&] { return content(mpirun.file("line")) == "typed\n"; }));
  EXPECT_TRUE(until([&] { return std::filesystem::exists(mpirun.file("up")); }));
  (void)!::write(terminal, "\x03", 1);
  EXPECT_TRUE(until([&] { return !content(mpirun.file("signals")).empty(); }));
  std::ofstream(mpirun.file("done")) << "";
  int status = -1;
  EXPECT_TRUE(until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }));
  EXPECT_EQ(WEXITSTATUS(status), 6);
  EXPECT_EQ(content(mpirun.file("signals")), "INT\n");
  ::kill(pid, SIGKILL);
  ::close(terminal);
}

TEST(RankpoolRun, own_errors_have_their_own_status_and_say_what_to_do) {
  const Folder folder;
  std::ofstream(folder / "text") << "no program";
  struct Case {
    Words arguments;
    int status;
    std::string text;
  };
  for (const auto& [arguments, status, text] : {
           Case{{}, 2, "there is no program to start"},
           Case{{"--mca", "btl", "tcp", kProgram}, 2, "if it is meant for the launcher, put -- before the program"},
           Case{{"-n", "0", kProgram}, 2, "-n 0: there must be at least 1 rank"},
           Case{{"--workers", "0", kProgram}, 2, "each rank needs at least 1 worker"},
           Case{{"--hostfile", folder / "none", kProgram}, 2, "cannot be read: No such file or directory"},
           Case{{"--hostfile", folder.path(), kProgram}, 2, "cannot be read: it is no file"},
           Case{{"-n", "2", folder / "none"}, 127, "there is no program "},
           Case{{folder / "none"}, 127, "there is no program "},
           Case{{folder / "text"}, 126, "(chmod +x "},
           Case{{"-n", "2", folder.path()}, 126, "it is a directory"},
       }) {
    const auto ended = run(arguments);
    EXPECT_EQ(ended.status, status) << text;
    EXPECT_THAT(ended.err, AllOf(StartsWith("rankpool-run: "), HasSubstr(text)));
    EXPECT_EQ(ended.out, "");
  }
}

TEST(RankpoolRun, missing_launchers_are_named) {
  const Folder folder;
  const auto no_mpirun = run({"-n", "2", kProgram}, {"PATH=" + folder.path()});
  EXPECT_EQ(no_mpirun.status, 127);
  EXPECT_THAT(no_mpirun.err, HasSubstr("mpirun is not in PATH"));
  const auto no_srun = run({"--launcher", "srun", kProgram}, {"PATH=" + folder.path()});
  EXPECT_EQ(no_srun.status, 127);
  EXPECT_THAT(no_srun.err, HasSubstr("srun is not in PATH"));
}

TEST(RankpoolRun, a_dry_run_starts_nothing) {
  const FakeMpirun mpirun(": >up");
  const auto ended = run({"--dry-run", "-n", "2", kProgram, "a b"}, mpirun.variables());
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out,
            "# 2 ranks asked for, and this is no Slurm job: mpirun\nmpirun --enable-recovery -n 2 --oversubscribe "
            "--bind-to none -x RANKPOOL_RUN_REPORT -x RANKPOOL_TEST_RUN " +
                kProgram + " 'a b'\n");
  EXPECT_FALSE(std::filesystem::exists(mpirun.file("up")));
}

}  // namespace
}  // namespace rankpool::tools
