#include "parallel/printer.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <csignal>

#include <gtest/gtest.h>

namespace rankpool::parallel {
namespace {

/// A printer whose two ends are files.
class Printing : public testing::Test {
 protected:
  Printing() {
    for (int* file : {&out_, &err_}) *file = ::open(testing::TempDir().c_str(), O_TMPFILE | O_RDWR, 0600);
  }
  ~Printing() override {
    ::close(out_);
    ::close(err_);
  }
  Printer& printer() {
    if (!printer_) printer_.emplace(options, testing::TempDir(), Printer::Ends{out_, err_});
    return *printer_;
  }
  static std::string content(int file) {
    std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }
  std::string shown() {
    printer().flush();
    return content(out_);
  }
  void run(std::uint64_t seq, const std::string& out) {
    printer().started(seq, "tag" + std::to_string(seq), "");
    printer().printed(seq, 1, out);
    printer().finished(seq);
  }
  Options options;
  int out_ = -1;
  int err_ = -1;
  std::optional<Printer> printer_;
};

TEST_F(Printing, outputs_come_whole_in_the_order_in_which_commands_end) {
  printer().started(1, "", "");
  printer().started(2, "", "");
  printer().printed(1, 1, "1a\n");
  printer().printed(2, 1, "2a\n");
  printer().printed(1, 1, "1b\n");
  EXPECT_EQ(shown(), "");
  printer().finished(2);
  printer().finished(1);
  EXPECT_EQ(shown(), "2a\n1a\n1b\n");
}

TEST_F(Printing, with_k_one_that_is_dropped_keeps_no_other_back) {
  options.keep_order = true;
  for (const std::uint64_t seq : {1U, 2U}) printer().started(seq, "", "");
  printer().printed(1, 1, "of an attempt that failed\n");
  printer().printed(2, 1, "2\n");
  printer().finished(2);
  printer().dropped(1);
  EXPECT_EQ(shown(), "2\n");
}

TEST_F(Printing, with_k_they_come_in_the_order_in_which_commands_began) {
  options.keep_order = true;
  for (const std::uint64_t seq : {3U, 5U, 9U}) printer().started(seq, "", "");
  for (const std::uint64_t seq : {9U, 5U}) {
    printer().printed(seq, 1, std::to_string(seq) + "\n");
    printer().finished(seq);
  }
  EXPECT_EQ(shown(), "");
  printer().finished(3);
  EXPECT_EQ(shown(), "5\n9\n");
}

TEST_F(Printing, line_by_line_they_come_at_once_and_with_k_those_of_the_first_do) {
  options.output = OutputMode::line_buffer;
  options.keep_order = true;
  printer().started(1, "", "");
  printer().started(2, "", "");
  printer().printed(2, 1, "2\n");
  printer().printed(1, 1, "1\n");
  EXPECT_EQ(shown(), "1\n");
  printer().finished(1);
  EXPECT_EQ(shown(), "1\n2\n");
  printer().printed(2, 1, "2 again\n");
  EXPECT_EQ(shown(), "1\n2\n2 again\n");
}

TEST_F(Printing, a_tag_stands_before_each_line_of_both_streams) {
  options.tag = true;
  printer().started(1, "t", "");
  printer().printed(1, 1, "a\nb");
  printer().printed(1, 1, "c\n\nd");
  printer().printed(1, 2, "e\n");
  printer().finished(1);
  EXPECT_EQ(shown(), "t\ta\nt\tbc\nt\t\nt\td");
  EXPECT_EQ(content(err_), "t\te\n");
}

TEST_F(Printing, what_an_earlier_attempt_printed_is_forgotten) {
  options.tries = 2;
  printer().started(1, "", "head\n");
  printer().printed(1, 1, "first\n");
  printer().started(1, "", "head\n");
  printer().printed(1, 1, "second\n");
  printer().finished(1);
  EXPECT_EQ(shown(), "head\nsecond\n");
}

TEST_F(Printing, much_output_waits_in_a_file_and_comes_unchanged) {
  options.keep_order = true;
  printer().started(1, "", "");
  std::string all;
  for (std::uint64_t seq = 2; seq < 40; ++seq) {
    std::string one(1'000'000, static_cast<char>('a' + seq % 26));
    run(seq, one);
    all += one;
  }
  printer().finished(1);
  EXPECT_TRUE(shown() == all);
}

TEST_F(Printing, a_reader_that_went_is_noticed) {
  std::signal(SIGPIPE, SIG_IGN);
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  ::close(pipe_ends[0]);
  Printer to_nobody(options, testing::TempDir(), {pipe_ends[1], err_});
  to_nobody.started(1, "", "");
  to_nobody.printed(1, 1, "x");
  to_nobody.finished(1);
  to_nobody.flush();
  EXPECT_TRUE(to_nobody.reader_gone());
  ::close(pipe_ends[1]);
}

TEST(Spool, memory_is_bounded_and_the_file_is_emptied_when_nothing_is_left) {
  Spool spool(testing::TempDir(), 10);
  Spool::Stream one;
  Spool::Stream two;
  one.append(spool, "12345678");
  two.append(spool, "abcdefgh");  // beyond the ten: to the file
  EXPECT_EQ(spool.bytes_in_file(), 8U);
  one.append(spool, "90123");
  EXPECT_EQ(spool.bytes_in_file(), 8U + 13U);
  two.append(spool, "ij");
  const auto all_of = [](const Spool::Stream& stream) {
    std::string text;
    stream.read([&](std::string_view part) { text += part; });
    return text;
  };
  EXPECT_EQ(all_of(one), "1234567890123");
  EXPECT_EQ(all_of(two), "abcdefghij");
  one.clear();
  EXPECT_EQ(spool.bytes_in_file(), 8U);
  two = Spool::Stream();
  two.clear();
}

TEST(Spool, a_folder_that_is_not_there_is_named) {
  Spool spool("/no/such/folder", 1);
  Spool::Stream stream;
  EXPECT_THROW(stream.append(spool, "12"), std::system_error);
}

}  // namespace
}  // namespace rankpool::parallel
