#include "parallel/results.hpp"

#include "parallel/refused.hpp"

#include <gmock/gmock.h>

namespace rankpool::parallel {
namespace {

using ::testing::HasSubstr;

TEST(Results, a_folder_has_name_and_argument_of_each_source) {
  EXPECT_EQ(results_folder({"a", "b c"}, 2, {}), "1/a/2/b c");
  EXPECT_EQ(results_folder({"red", "S"}, 2, {"color", "size"}), "color/red/size/S");
  EXPECT_EQ(results_folder({"a", "b", "c"}, 1, {}), "1/a/1/b/1/c");
  EXPECT_EQ(results_folder({"a", "1", "b", "2"}, 2, {"x", "y"}), "x/a/y/1/x/b/y/2");
  EXPECT_EQ(results_folder({"/c", "d\\e\tf"}, 2, {}), "1/\\_c/2/d\\\\e\\tf");
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

TEST(Refusals, options_that_are_here_are_not_refused) {
  for (const char* name : {"jobs", "k", "halt", "results", "pipe", "resume"}) EXPECT_FALSE(refusal_of(name)) << name;
}

}  // namespace
}  // namespace rankpool::parallel
