#include "parallel/joblog.hpp"

#include "parallel/retry_input.hpp"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <system_error>

namespace rankpool::parallel {
namespace {

using ::testing::HasSubstr;
using Verdict = History::Verdict;

CommandEnd end_with(int exit_code, int signal = 0) {
  CommandEnd end;
  end.exit_code = exit_code;
  end.signal = signal;
  end.start = 1795894744.515;
  end.runtime = 0.0014;
  end.received = 4;
  end.host = ":";
  return end;
}

TEST(JoblogLine, has_gnu_parallels_columns) {
  EXPECT_EQ(joblog_line(3, end_with(2), 10, "echo x"), "3\t:\t1795894744.515\t     0.001\t10\t4\t2\t0\techo x\n");
}

TEST(JoblogLine, is_one_line_whatever_the_command) {
  EXPECT_THAT(joblog_line(1, end_with(0), 0, "a\nb"), testing::EndsWith("\ta b\n"));
}

TEST(JoblogLine, is_read_as_it_is_written_with_tabs_in_the_command) {
  std::string line = joblog_line(12, end_with(0, 9), 0, "a\tb");
  line.pop_back();
  const auto entry = parse_joblog_line(line).value();
  EXPECT_EQ(entry.seq, 12U);
  EXPECT_TRUE(entry.failed);
  EXPECT_EQ(entry.command, "a\tb");
}

TEST(JoblogLine, what_is_none_is_told) {
  for (const char* line :
       {"", "1", "x\t:\t1\t1\t0\t0\t0\t0\ta", "0\t:\t1\t1\t0\t0\t0\t0\ta", "1\t:\t1\t1\t0\t0\t?\t0\ta"}) {
    EXPECT_FALSE(parse_joblog_line(line)) << line;
  }
}

TEST(History, compares_number_and_command) {
  History history;
  history.add({2, false, "echo b"});
  history.add({3, true, "exit 3"});
  EXPECT_EQ(history.verdict(1, "echo a"), Verdict::unknown);
  EXPECT_EQ(history.verdict(2, "echo b"), Verdict::done);
  EXPECT_EQ(history.verdict(2, "echo c"), Verdict::changed);
  EXPECT_EQ(history.verdict(3, "exit 3"), Verdict::failed);
  EXPECT_EQ(history.verdict(4'000'000, "x"), Verdict::unknown);
  history.add({3, false, "exit 3"});
  EXPECT_EQ(history.verdict(3, "exit 3"), Verdict::done);
}

class JoblogOnDisk : public testing::Test {
 protected:
  void TearDown() override { std::remove(path.c_str()); }
  [[nodiscard]] std::string content() const {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string path = testing::TempDir() + "rankpool_joblog_" + std::to_string(::getpid());
};

TEST_F(JoblogOnDisk, begins_anew_or_goes_on) {
  {
    Joblog log(path, Joblog::Open::anew, 0);
    log.write(joblog_line(1, end_with(0), 0, "a"));
  }
  JoblogFile file(path);
  ASSERT_TRUE(file.next());
  EXPECT_FALSE(file.next());
  {
    Joblog log(path, Joblog::Open::go_on, file.whole_size());
    log.write(joblog_line(2, end_with(0), 0, "b"));
  }
  JoblogFile both(path);
  EXPECT_EQ(both.next()->seq, 1U);
  EXPECT_EQ(both.next()->seq, 2U);
  { const Joblog log(path, Joblog::Open::anew, 0); }
  EXPECT_EQ(content(), kJoblogHeader);
}

TEST_F(JoblogOnDisk, part_of_a_line_that_a_killed_run_left_is_cut_off) {
  std::ofstream(path) << kJoblogHeader << joblog_line(1, end_with(0), 0, "a") << "2\t:\t17958";
  JoblogFile file(path);
  EXPECT_EQ(file.next()->seq, 1U);
  EXPECT_FALSE(file.next());
  {
    Joblog log(path, Joblog::Open::go_on, file.whole_size());
    log.write(joblog_line(2, end_with(0), 0, "b"));
  }
  EXPECT_EQ(content(),
            std::string(kJoblogHeader) + joblog_line(1, end_with(0), 0, "a") + joblog_line(2, end_with(0), 0, "b"));
}

TEST_F(JoblogOnDisk, a_header_that_was_cut_is_written_again) {
  std::ofstream(path) << "Seq\tHo";
  JoblogFile file(path);
  EXPECT_FALSE(file.next());
  { const Joblog log(path, Joblog::Open::go_on, file.whole_size()); }
  EXPECT_EQ(content(), kJoblogHeader);
}

TEST_F(JoblogOnDisk, another_file_is_no_joblog_and_a_damaged_line_is_placed) {
  std::ofstream(path) << "hello\n";
  EXPECT_THROW((void)JoblogFile(path).next(), std::runtime_error);
  std::ofstream(path) << kJoblogHeader << "damaged\n";
  try {
    (void)JoblogFile(path).next();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("damaged at byte 66"));
  }
}

TEST_F(JoblogOnDisk, where_nothing_can_be_written_it_says_so) {
  try {
    const Joblog log("/dev/full", Joblog::Open::anew, 0);
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("cannot write the joblog /dev/full: No space left"));
  }
  EXPECT_THROW(Joblog("/no/such/folder/log", Joblog::Open::anew, 0), std::system_error);
}

TEST_F(JoblogOnDisk, what_failed_and_has_not_ended_well_since_is_tried_again) {
  std::ofstream(path) << kJoblogHeader << joblog_line(1, end_with(0), 0, "a") << joblog_line(2, end_with(1), 0, "b")
                      << joblog_line(3, end_with(0, 9), 0, "c") << joblog_line(2, end_with(0), 0, "b");
  const auto input = retry_input(path);
  const auto item = input->next().value();
  EXPECT_EQ(item.seq, 3U);
  EXPECT_EQ(item.arguments, Arguments{"c"});
  EXPECT_FALSE(input->next());
}

}  // namespace
}  // namespace rankpool::parallel
