#include "parallel/template.hpp"

#include <gmock/gmock.h>

namespace rankpool::parallel {
namespace {

using ::testing::HasSubstr;

Template parsed(const std::vector<std::string>& words, const Template::Rules& rules = {}) {
  auto result = Template::parse(words, rules);
  if (const auto* const problem = std::get_if<Template::Problem>(&result)) {
    ADD_FAILURE() << problem->text;
    return {};
  }
  return std::get<Template>(std::move(result));
}
std::string rendered(const std::vector<std::string>& words, const Arguments& arguments,
                     const Template::Rules& rules = {}) {
  return parsed(words, rules).render(arguments, 7, 3);
}

TEST(CommandTemplate, arguments_are_quoted_and_the_command_is_not) {
  EXPECT_EQ(rendered({"echo", "$HOME", "{}"}, {"$HOME"}), "echo $HOME '$HOME'");
}

TEST(CommandTemplate, arguments_are_appended_to_a_command_without_a_replacement_string) {
  EXPECT_EQ(rendered({"echo", "x"}, {"a b"}), "echo x 'a b'");
  EXPECT_EQ(rendered({"echo", "{#}"}, {"a"}), "echo 7");
}

TEST(CommandTemplate, paths_are_cut_as_gnu_parallel_cuts_them) {
  const std::vector<std::string> words{"{}|{.}|{/}|{//}|{/.}"};
  EXPECT_EQ(rendered(words, {"a/b.c/d.tar.gz"}), "a/b.c/d.tar.gz|a/b.c/d.tar|d.tar.gz|a/b.c|d.tar");
  EXPECT_EQ(rendered(words, {"plain"}), "plain|plain|plain|.|plain");
  EXPECT_EQ(rendered(words, {".hidden"}), ".hidden|''|.hidden|.|''");
  EXPECT_EQ(rendered(words, {"a.b/c"}), "a.b/c|a.b/c|c|a.b|c");
  EXPECT_EQ(rendered(words, {"/"}), "/|/|''|/|''");
  EXPECT_EQ(rendered(words, {"x/"}), "x/|x/|''|.|''");
  EXPECT_EQ(rendered(words, {"/d/f"}), "/d/f|/d/f|f|/d|f");
}

TEST(CommandTemplate, numbers_and_slots_stand_where_they_are_asked_for) {
  EXPECT_EQ(rendered({"{#}-{%}-{}"}, {"a"}), "7-3-a");
  EXPECT_TRUE(parsed({"{%}"}).has_slot());
  EXPECT_FALSE(parsed({"{#}"}).has_slot());
}

TEST(CommandTemplate, positions_count_from_either_end_and_beyond_it_there_is_nothing) {
  EXPECT_EQ(rendered({"{2} {1} {-1.} {2/} [{9}]"}, {"d/a.txt", "e/b.c"}), "e/b.c d/a.txt e/b b.c []");
}

TEST(CommandTemplate, names_of_a_header_work_as_numbers_do) {
  Template::Rules rules;
  rules.names = {"file", "size.mb"};
  EXPECT_EQ(rendered({"{file/} {size.mb} {other}"}, {"a/b", "3"}, rules), "b 3 {other}");
}

TEST(CommandTemplate, several_arguments_stand_for_one) {
  EXPECT_EQ(rendered({"x", "{}", "y"}, {"1", "2 3"}), "x 1 '2 3' y");
}

TEST(CommandTemplate, another_replacement_string_leaves_braces_alone) {
  Template::Rules rules;
  rules.replacement = ",,";
  EXPECT_EQ(rendered({"echo", ",,-,,", "{}"}, {"a"}, rules), "echo a-a {}");
}

TEST(CommandTemplate, braces_that_mean_nothing_stay) {
  EXPECT_EQ(rendered({"awk", "{print}", "{a,b}", "{..}", "{}"}, {"f"}), "awk {print} {a,b} {..} f");
}

TEST(CommandTemplate, with_q_the_words_of_the_command_are_kept_from_the_shell) {
  Template::Rules rules;
  rules.quote_words = true;
  EXPECT_EQ(rendered({"echo", "a  b", "$x", "", "x{}y"}, {"1 2"}, rules), "echo 'a  b' '$x' '' x'1 2'y");
}

TEST(CommandTemplate, without_a_command_the_argument_is_the_command) {
  EXPECT_EQ(rendered({}, {"echo a; echo b"}), "echo a; echo b");
}

TEST(CommandTemplate, perl_is_refused_by_name) {
  const auto result = Template::parse({"echo", "{= s/a/b/ =}"}, {});
  EXPECT_THAT(std::get<Template::Problem>(result).text, HasSubstr("{= s/a/b/ =}"));
}

TEST(CommandTemplate, with_N_a_word_is_repeated_for_each_argument) {
  Template::Rules rules;
  rules.repeat_words = true;
  const Arguments two{"a.b", "c"};
  EXPECT_EQ(rendered({"echo", "x{}y", "{}{}", "z"}, two, rules), "echo xa.by xcy a.ba.b cc z");
  EXPECT_EQ(rendered({"echo {1}{.} {1} {#}{%}"}, two, rules), "echo a.ba a.bc a.b 73");
  EXPECT_EQ(rendered({"echo"}, two, rules), "echo a.b c");
  EXPECT_EQ(rendered({"echo  a{}\tb{} "}, two, rules), "echo  aa.b ac\tba.b bc ");
  EXPECT_EQ(rendered({"echo", "x{}y"}, {}, rules), "echo xy");
  rules.quote_words = true;
  EXPECT_EQ(rendered({"echo", "x ;{}"}, {"a", "b"}, rules), "echo x' '';'a ';'b");
}

}  // namespace
}  // namespace rankpool::parallel
