#include "program_run.hpp"

#include <set>

// What tasks print, read and fork.
namespace rankpool::tools {
namespace {

const std::string kOutput = PROGRAM_OUTPUT;

using Output = Launched;

TEST_P(Output, of_each_task_appears_once_and_in_whole_lines) {
  const int count = GetParam() == 0 ? 5000 : 200;
  const Ended ended = run(GetParam(), {kOutput, "lines", std::to_string(count)});
  EXPECT_EQ(ended.status, 0);
  std::istringstream lines(ended.out);
  std::set<int> seen;
  const char* const ways[]{"printf", "cout", "endl"};
  for (std::string line; std::getline(lines, line);) {
    const int number = line.size() > 1 ? std::atoi(line.c_str() + 1) : -1;
    ASSERT_EQ(line, "<" + std::to_string(number) + " " + ways[number % 3] + ">");
    EXPECT_TRUE(seen.insert(number).second) << line << " twice";
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(count));
}

TEST_P(Output, nothing_is_printed_twice_though_standard_output_is_buffered) {
  const Ended ended = run(GetParam(), {kOutput, "once"});
  // What the program prints before `run` comes from every rank.
  EXPECT_EQ(times(ended.out, "before\n"), GetParam() == 0 ? 1 : GetParam()) << ended.out;
  for (const char* const word : {"main\n", "printf", "end\n"}) EXPECT_EQ(times(ended.out, word), 1) << ended.out;
}

TEST_P(Output, input_of_tasks_is_empty_and_that_of_main_is_not) {
  const Ended ended = run(GetParam(), {kOutput, "input"}, {}, "a line\n");
  EXPECT_EQ(ended.out, "1 a line\n");
}

TEST_P(Output, task_may_fork_and_its_child_may_end_in_any_way) {
  const Ended ended = run(GetParam(), {kOutput, "fork"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.err, "11\n12\n13\n134\n");
  EXPECT_EQ(ended.out, "parent\nparent\nchild\nparent\nprogram\nparent\n");
}

TEST_P(Output, children_of_main_are_its_own) {
  const Ended ended = run(GetParam(), {kOutput, "children"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "7\nfrom a child\n8\n9\n1\n");
}

TEST_P(Output, of_all_streams_arrives_though_they_are_not_synchronised) {
  const Ended ended = run(GetParam(), {kOutput, "streams"});
  EXPECT_EQ(ended.status, 0);
  for (const char* const stream : {"clog", "wclog", "cerr"})
    EXPECT_EQ(times(ended.err, "by " + std::string(stream) + "\n"), 1) << ended.err;
  for (const char* const stream : {"cout", "wcout"})
    EXPECT_EQ(times(ended.out, "by " + std::string(stream) + "\n"), 1) << ended.out;
}

TEST_P(Output, of_wide_streams_arrives) {
  const Ended ended = run(GetParam(), {kOutput, "wide-streams"});
  EXPECT_EQ(ended.out, "by wcout\n");
  EXPECT_EQ(ended.err, "by wclog\n");
}

TEST_P(Output, task_may_call_mpirun) {
  const Ended ended = run(GetParam(), {kOutput, "mpirun", "--oversubscribe -n 2 echo started by a task"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(times(ended.out, "started by a task\n"), 2) << ended.out << ended.err;
  EXPECT_THAT(ended.out, ::testing::HasSubstr("variables of a rank: 0\n"));
}

INSTANTIATE_TEST_SUITE_P(Program, Output, testing::Values(0, 2), name_of_launch);

TEST(Program, output_is_flushed_when_the_task_ends) { EXPECT_EQ(run(0, {kOutput, "flush"}).err, "6\n10\n13\n18\n"); }

}  // namespace
}  // namespace rankpool::tools
