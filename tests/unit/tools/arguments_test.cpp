#include "tools/arguments.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rankpool::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

Request request(const Words& words) {
  const auto parsed = parse_arguments(words);
  if (const auto* const leave = std::get_if<Leave>(&parsed)) {
    ADD_FAILURE() << leave->text;
    return {};
  }
  return std::get<Request>(parsed);
}

Leave leave(const Words& words) {
  const auto parsed = parse_arguments(words);
  if (std::holds_alternative<Request>(parsed)) {
    ADD_FAILURE() << "was taken";
    return {};
  }
  return std::get<Leave>(parsed);
}

TEST(Arguments, without_a_separator_the_first_that_is_no_option_begins_the_program) {
  const auto asked = request({"-n", "4", "--workers", "2", "prog", "-n", "7", "--", "x"});
  EXPECT_EQ(asked.layout.ranks, 4);
  EXPECT_EQ(asked.layout.workers, 2);
  EXPECT_THAT(asked.layout.program, ElementsAre("prog", "-n", "7", "--", "x"));
  EXPECT_THAT(asked.layout.launcher_options, IsEmpty());
}

TEST(Arguments, before_the_separator_stand_ours_and_the_launchers_in_any_order) {
  const auto asked = request(
      {"--mca", "btl", "tcp,self", "-n", "2", "-host", "n1:2", "--hostfile=hosts", "--", "prog", "--", "--help"});
  EXPECT_EQ(asked.layout.ranks, 2);
  EXPECT_EQ(asked.layout.hostfile, "hosts");
  EXPECT_THAT(asked.layout.launcher_options, ElementsAre("--mca", "btl", "tcp,self", "-host", "n1:2"));
  EXPECT_THAT(asked.layout.program, ElementsAre("prog", "--", "--help"));
}

TEST(Arguments, the_number_of_ranks_has_all_its_usual_names) {
  for (const Words& words : {Words{"-n", "3", "p"}, Words{"-n3", "p"}, Words{"-np", "3", "p"}, Words{"--np", "3", "p"},
                             Words{"--np=3", "p"}, Words{"--ranks", "3", "p"}}) {
    EXPECT_EQ(request(words).layout.ranks, 3) << words.front();
  }
}

TEST(Arguments, a_program_may_begin_with_a_dash_after_the_separator) {
  EXPECT_THAT(request({"--", "-odd"}).layout.program, ElementsAre("-odd"));
}

TEST(Arguments, unknown_options_without_the_separator_are_explained) {
  const auto left = leave({"--mca", "btl", "tcp", "prog"});
  EXPECT_EQ(left.status, 2);
  EXPECT_THAT(left.text,
              HasSubstr("there is no option --mca; if it is meant for the launcher, put -- before the program"));
}

TEST(Arguments, what_makes_no_sense_is_refused_with_status_2) {
  for (const Words& words : {Words{}, Words{"-n"}, Words{"-n", "--", "p"}, Words{"-n", "x", "p"},
                             Words{"-n", "99999999999", "p"}, Words{"-n", "1.5", "p"}, Words{"--launcher", "ssh", "p"},
                             Words{"--grace", "-1", "p"}, Words{"--grace", "nan", "p"}, Words{"-n", "2", "--"}}) {
    const auto left = leave(words);
    EXPECT_EQ(left.status, 2) << ::testing::PrintToString(words);
    EXPECT_THAT(left.text, HasSubstr("rankpool-run --help"));
  }
}

TEST(Arguments, launchers_and_times_are_read) {
  const auto asked = request({"--launcher", "none", "--grace", "0.5", "--dry-run", "p"});
  EXPECT_EQ(asked.layout.launcher, Launcher::bare);
  EXPECT_EQ(asked.grace, std::chrono::milliseconds(500));
  EXPECT_EQ(asked.mode, Request::Mode::dry_run);
  EXPECT_EQ(request({"p"}).layout.launcher, std::nullopt);
  EXPECT_EQ(request({"p"}).mode, Request::Mode::run);
}

TEST(Arguments, help_and_version_are_told_with_status_0) {
  EXPECT_EQ(leave({"--help"}).status, 0);
  EXPECT_THAT(leave({"--help"}).text, HasSubstr("one rank on each node with all the"));
  EXPECT_EQ(leave({"--version"}).status, 0);
  EXPECT_THAT(leave({"--version"}).text, ::testing::MatchesRegex("rankpool-run [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace rankpool::tools
