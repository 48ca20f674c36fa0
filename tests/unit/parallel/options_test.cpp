#include "parallel/options.hpp"

#include <gmock/gmock.h>

namespace rankpool::parallel {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Options options_of(const std::vector<std::string>& words) {
  auto parsed = parse_options(words);
  if (const auto* const leave = std::get_if<Leave>(&parsed)) {
    ADD_FAILURE() << leave->text;
    return {};
  }
  return std::get<Options>(std::move(parsed));
}
std::string refusal(const std::vector<std::string>& words) {
  const auto parsed = parse_options(words);
  const auto* const leave = std::get_if<Leave>(&parsed);
  if (leave == nullptr) return "not refused";
  EXPECT_EQ(leave->status, kOwnError);
  return leave->text;
}

TEST(Options, options_end_where_the_command_begins) {
  const Options options = options_of({"-k", "-j4", "grep", "-j", "x", ":::", "a", "-k"});
  EXPECT_TRUE(options.keep_order);
  EXPECT_EQ(options.jobs.value, 4);
  EXPECT_THAT(options.command, ElementsAre("grep", "-j", "x"));
  ASSERT_EQ(options.sources.size(), 1U);
  EXPECT_THAT(options.sources[0].words, ElementsAre("a", "-k"));
}

TEST(Options, letters_go_together_and_the_last_may_have_a_value) {
  const Options options = options_of({"-kvj", "3", "-N2", "echo"});
  EXPECT_TRUE(options.keep_order && options.verbose);
  EXPECT_EQ(options.jobs.value, 3);
  EXPECT_EQ(options.max_args, 2);
}

TEST(Options, a_long_name_may_be_cut_short_while_it_is_the_only_one) {
  EXPECT_EQ(options_of({"--jobl", "log", "echo"}).joblog, "log");
  EXPECT_TRUE(options_of({"--keep", "echo"}).keep_order);
}

TEST(Options, dashes_within_a_name_do_not_matter) {
  EXPECT_TRUE(options_of({"--keeporder", "echo"}).keep_order);
  EXPECT_EQ(options_of({"--tag-string", "x", "echo"}).tag_text, "x");
  EXPECT_THAT(refusal({"--round-robin"}), HasSubstr("--round-robin"));
  EXPECT_THAT(refusal({"--roundrobin"}), HasSubstr("of --pipe"));
  EXPECT_THAT(refusal({"--sshdelay", "1"}), HasSubstr("--hostfile"));
}

TEST(Options, silent_takes_v_back) { EXPECT_FALSE(options_of({"-v", "--silent", "echo"}).verbose); }

TEST(Options, a_name_that_may_be_two_is_refused_with_both) {
  EXPECT_THAT(refusal({"--re", "1", "echo"}), AllOf(HasSubstr("--re may mean"), HasSubstr(" or --")));
}

TEST(Options, sources_are_words_files_and_standard_input_linked_or_not) {
  const Options options = options_of({"echo", ":::", "a", "b", ":::+", "1", "2", "::::", "f", "g"});
  ASSERT_EQ(options.sources.size(), 4U);
  EXPECT_FALSE(options.sources[0].linked);
  EXPECT_TRUE(options.sources[1].linked);
  EXPECT_EQ(options.sources[2].file, "f");
  EXPECT_EQ(options.sources[3].file, "g");
  EXPECT_EQ(options_of({"echo"}).sources[0].file, "-");
}

TEST(Options, what_is_not_there_is_refused_by_name_with_what_to_use_instead) {
  EXPECT_THAT(refusal({"-S", "host", "echo"}), AllOf(HasSubstr("-S is not here"), HasSubstr("--hostfile")));
  EXPECT_THAT(refusal({"--xargs", "echo"}), AllOf(HasSubstr("--xargs"), HasSubstr("-N NUMBER")));
  EXPECT_THAT(refusal({"--rpl", "x", "echo"}), HasSubstr("no Perl"));
  EXPECT_THAT(refusal({"--nonsense", "echo"}), HasSubstr("there is no option --nonsense"));
}

TEST(Options, nonsense_values_are_refused_with_the_option_and_the_value) {
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--jobs", "many"},
                                                                                      {"--timeout", "soon"},
                                                                                      {"--halt", "now"},
                                                                                      {"--delay", "-1"},
                                                                                      {"--block", "0"},
                                                                                      {"--trim", "x"},
                                                                                      {"-L", "0"}}) {
    EXPECT_THAT(refusal({option, value, "echo"}), AllOf(HasSubstr(option), HasSubstr(value)));
  }
}

TEST(Options, resume_needs_a_joblog) { EXPECT_THAT(refusal({"--resume", "echo"}), HasSubstr("--joblog")); }

TEST(Options, resume_takes_force_only_with_an_equals_sign) {
  EXPECT_EQ(options_of({"--joblog", "l", "--resume", "force"}).resume, Resume::rest);
  EXPECT_EQ(options_of({"--joblog", "l", "--resume=force"}).resume, Resume::force);
  EXPECT_THAT(refusal({"--joblog", "l", "--resume=all"}), HasSubstr("all"));
}

TEST(Options, help_and_version_go_to_standard_output) {
  for (const char* word : {"--help", "--version", "-h", "-V"}) {
    const auto parsed = parse_options({word});
    EXPECT_EQ(std::get<Leave>(parsed).status, 0);
  }
}

TEST(Numbers, times_have_units_one_after_the_other) {
  EXPECT_EQ(parse_seconds("90"), 90);
  EXPECT_EQ(parse_seconds("1.5"), 1.5);
  EXPECT_EQ(parse_seconds("1h30m"), 5400);
  EXPECT_EQ(parse_seconds("1d"), 86400);
  EXPECT_EQ(parse_seconds("10s"), 10);
  EXPECT_EQ(parse_seconds("1h2"), 3602);
  for (const char* none : {"", "m", "1x", "-1", "inf"}) EXPECT_FALSE(parse_seconds(none)) << none;
}

TEST(Numbers, sizes_are_binary_in_capitals_and_decimal_else) {
  EXPECT_EQ(parse_size("10"), 10U);
  EXPECT_EQ(parse_size("10k"), 10'000U);
  EXPECT_EQ(parse_size("10K"), 10'240U);
  EXPECT_EQ(parse_size("1M"), 1U << 20);
  EXPECT_FALSE(parse_size("M"));
  EXPECT_FALSE(parse_size("1MB"));
}

TEST(Numbers, jobs_are_counted_on_the_cores_of_a_node) {
  const auto on_8 = [](const char* text) { return jobs_on_node(parse_jobs(text).value(), 8); };
  EXPECT_EQ(on_8("3"), 3);
  EXPECT_EQ(on_8("50%"), 4);
  EXPECT_EQ(on_8("200%"), 16);
  EXPECT_EQ(on_8("+2"), 10);
  EXPECT_EQ(on_8("-3"), 5);
  EXPECT_EQ(on_8("-100"), 1);
  EXPECT_EQ(on_8("1%"), 1);
  EXPECT_GE(on_8("0"), 100);
  EXPECT_FALSE(parse_jobs(""));
  EXPECT_FALSE(parse_jobs("+x"));
}

TEST(Numbers, halts_are_read_in_both_of_gnu_parallels_ways) {
  const auto halt = parse_halt("soon,success=30%").value();
  EXPECT_EQ(halt.when, Halt::When::soon);
  EXPECT_EQ(halt.what, Halt::What::success);
  EXPECT_TRUE(halt.percent);
  EXPECT_EQ(halt.count, 30);
  EXPECT_EQ(parse_halt("2")->when, Halt::When::now);
  EXPECT_EQ(parse_halt("never")->when, Halt::When::never);
  for (const char* none : {"now", "later,fail=1", "now,fail=0", "now,fail=1.5", "now,fail=101%", "now,what=1"}) {
    EXPECT_FALSE(parse_halt(none)) << none;
  }
}

}  // namespace
}  // namespace rankpool::parallel
