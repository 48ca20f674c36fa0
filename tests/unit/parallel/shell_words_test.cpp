#include "parallel/shell_words.hpp"

#include <gmock/gmock.h>

namespace rankpool::parallel {
namespace {

using ::testing::ElementsAre;

std::optional<std::vector<std::string>> words(const std::string& command, const std::string& shell = "/bin/sh") {
  return plain_words(command, shell, [](const std::string& name) { return name == "my_function"; });
}

TEST(ShellWords, a_text_is_quoted_as_joblogs_of_gnu_parallel_have_it) {
  EXPECT_EQ(quoted("plain-1_2.c/d+e"), "plain-1_2.c/d+e");
  EXPECT_EQ(quoted(""), "''");
  EXPECT_EQ(quoted("a b"), "'a b'");
  EXPECT_EQ(quoted("it's"), R"('it'"'"'s')");
  EXPECT_EQ(quoted("'"), R"("'")");
  EXPECT_EQ(quoted("x=1"), "'x=1'");
}

TEST(ShellWords, words_without_shell_characters_need_no_shell) {
  EXPECT_THAT(*words("./fit  --seed=3 'a b' \"c d\" x'y z'w"), ElementsAre("./fit", "--seed=3", "a b", "c d", "xy zw"));
  EXPECT_THAT(*words("sleep 1"), ElementsAre("sleep", "1"));
  EXPECT_THAT(*words("prog ''"), ElementsAre("prog", ""));
}

TEST(ShellWords, whatever_a_shell_acts_on_needs_one) {
  for (const char* command :
       {"a | b", "a > b", "a; b",     "a && b", "a $x", "a `b`", "a *",  "a ?",  "a [x]", "a ~", "a {1,2}",
        "a #b",  "a \\b", "a \"$x\"", "a 'b",   "!a",   "(a)",   "a\nb", "a ^b", "a&",    ""}) {
    EXPECT_FALSE(words(command)) << command;
  }
}

TEST(ShellWords, built_in_commands_assignments_and_functions_need_a_shell) {
  for (const char* command :
       {"echo a", "cd /", "exit 3", "test -e x", "[ a ]", "X=1 prog", "my_function a", "if x", "printf x", ": x"}) {
    EXPECT_FALSE(words(command)) << command;
  }
  EXPECT_TRUE(words("true"));
}

TEST(ShellWords, shells_with_other_rules_get_every_command) {
  EXPECT_FALSE(words("prog a", "/usr/bin/fish"));
  EXPECT_FALSE(words("prog a", "/bin/csh"));
  EXPECT_TRUE(words("prog a", "bash"));
}

TEST(SplitWords, knows_blanks_quotes_and_backslashes) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split_words(""), Words{});
  EXPECT_EQ(split_words("  -j4\t--tag\n"), (Words{"-j4", "--tag"}));
  EXPECT_EQ(split_words("a'b c'd \"e 'f'\" '' \"\""), (Words{"ab cd", "e 'f'", "", ""}));
  EXPECT_EQ(split_words("a\\ b '\\' \"\\\"\" $x"), (Words{"a b", "\\", "\"", "$x"}));
  EXPECT_EQ(split_words("a 'b"), std::nullopt);
  EXPECT_EQ(split_words("\""), std::nullopt);
}

}  // namespace
}  // namespace rankpool::parallel
