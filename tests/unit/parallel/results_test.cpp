#include "parallel/results.hpp"

#include "parallel/progress.hpp"
#include "parallel/refused.hpp"

#include <gmock/gmock.h>

namespace rankpool::parallel {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

TEST(Results, a_folder_has_name_and_argument_of_each_source) {
  EXPECT_EQ(results_folder({"a", "b c"}, {}), "1/a/2/b c");
  EXPECT_EQ(results_folder({"red", "S"}, {"color", "size"}), "color/red/size/S");
  EXPECT_EQ(results_folder({"/c", "d\\e\tf"}, {}), "1/\\_c/2/d\\\\e\\tf");
}

TEST(Results, fields_are_quoted_where_they_have_to_be) {
  EXPECT_EQ(csv_field("plain", ','), "plain");
  EXPECT_EQ(csv_field("a,b", ','), "\"a,b\"");
  EXPECT_EQ(csv_field("say \"x\"\n", ','), "\"say \"\"x\"\"\n\"");
  EXPECT_EQ(csv_field("a\tb", '\t'), "\"a\tb\"");
}

TEST(Results, texts_in_json_are_escaped_and_bytes_that_are_no_text_replaced) {
  EXPECT_EQ(json_text("a\"b\\c\n\x01"), "a\\\"b\\\\c\\u000a\\u0001");
  EXPECT_EQ(json_text("gr\xc3\xbcn"), "gr\xc3\xbcn");
  EXPECT_EQ(json_text("\xff\xc3"), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Results, a_text_is_cut_between_characters) {
  EXPECT_EQ(whole_utf8("ab"), 2U);
  EXPECT_EQ(whole_utf8("a\xc3"), 1U);
  EXPECT_EQ(whole_utf8("a\xc3\xbc"), 3U);
  EXPECT_EQ(whole_utf8("\xe6\x97"), 0U);
  EXPECT_EQ(whole_utf8("a\xff"), 2U);
}

TEST(Progress, on_a_terminal_one_line_is_written_over) {
  const Progress::Clock::time_point start{};
  Progress progress(Options::Progress::bar, true, start);
  const std::string text = progress.update({5, 1, 2, 10}, start + 10s);
  EXPECT_TRUE(text.starts_with("\r"));
  EXPECT_THAT(text, HasSubstr("50% [###############"));
  EXPECT_THAT(text, HasSubstr("5/10, 1 failed, 0:10 gone, 0.5/s, 0:10 left"));
  EXPECT_EQ(progress.update({6, 1, 2, 10}, start + 10s), "");
}

TEST(Progress, in_a_file_it_writes_whole_lines_ever_rarer) {
  const Progress::Clock::time_point start{};
  Progress progress(Options::Progress::eta, false, start);
  int lines = 0;
  for (auto now = start; now < start + std::chrono::hours(24 * 365); now = *progress.next()) {
    const std::string text = progress.update({1, 0, 2, {}}, now);
    EXPECT_EQ(text.find('\r'), std::string::npos);
    if (!text.empty()) ++lines;
  }
  EXPECT_GT(lines, 10);
  EXPECT_LT(lines, 200);
}

TEST(Progress, times_are_told_as_clocks_do) {
  EXPECT_EQ(clock_text(65), "1:05");
  EXPECT_EQ(clock_text(7384), "2:03:04");
  EXPECT_EQ(clock_text(3 * 86'400 + 3600), "3d 01:00");
}

TEST(Refusals, options_that_are_here_are_not_refused) {
  for (const char* name : {"jobs", "k", "halt", "results", "pipe", "resume"}) EXPECT_FALSE(refusal_of(name)) << name;
}

}  // namespace
}  // namespace rankpool::parallel
