#include "parallel/input.hpp"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <system_error>

namespace rankpool::parallel {
namespace {

using ::testing::ElementsAre;

Source words(std::vector<std::string> list, bool linked = false) {
  Source source;
  source.words = std::move(list);
  source.linked = linked;
  return source;
}
std::vector<Arguments> all(const Options& options) {
  const auto input = make_input(options);
  std::vector<Arguments> rows;
  std::uint64_t seq = 0;
  while (auto item = input->next()) {
    EXPECT_EQ(item->seq, ++seq);
    rows.push_back(item->arguments);
  }
  return rows;
}

TEST(Input, sources_give_all_combinations_and_the_last_varies_first) {
  Options options;
  options.sources = {words({"a", "b"}), words({"1", "2"})};
  EXPECT_THAT(all(options),
              ElementsAre(Arguments{"a", "1"}, Arguments{"a", "2"}, Arguments{"b", "1"}, Arguments{"b", "2"}));
}

TEST(Input, a_linked_source_goes_along_as_far_as_the_shorter_one) {
  Options options;
  options.sources = {words({"a", "b", "c"}), words({"1", "2"}, true), words({"x", "y"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a", "1", "x"}, Arguments{"a", "1", "y"}, Arguments{"b", "2", "x"},
                                        Arguments{"b", "2", "y"}));
}

TEST(Input, with_link_the_shorter_source_begins_again) {
  Options options;
  options.link_all = true;
  options.sources = {words({"a", "b", "c"}), words({"1", "2"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a", "1"}, Arguments{"b", "2"}, Arguments{"c", "1"}));
}

TEST(Input, a_source_without_words_is_an_empty_argument_beside_others) {
  Options options;
  options.sources = {words({"a"}), words({}), words({"x", "y"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a", "", "x"}, Arguments{"a", "", "y"}));
  options.sources = {words({}), words({"a"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"", "a"}));
  options.sources = {words({"a", "b"}), words({}, true)};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a", ""}));
  options.link_all = true;
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a", ""}, Arguments{"b", ""}));
}

TEST(Input, sources_without_words_give_no_command) {
  Options options;
  options.sources = {words({}), words({}), words({}, true)};
  EXPECT_TRUE(all(options).empty());
}

TEST(Input, a_word_is_cut_where_the_delimiter_stands) {
  Options options;
  options.sources = {words({"a\nb", "", "c\n"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a"}, Arguments{"b"}, Arguments{""}, Arguments{"c"}, Arguments{""}));
  options.delimiter = "--";
  options.sources = {words({"a--b\n---c"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"a"}, Arguments{"b\n"}, Arguments{"-c"}));
}

TEST(Input, several_arguments_go_together_and_the_rest_by_itself) {
  Options options;
  options.max_args = 2;
  options.sources = {words({"1", "2", "3"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{"1", "2"}, Arguments{"3"}));
}

TEST(Input, none_for_each_command_is_as_often_without_arguments) {
  Options options;
  options.max_args = 0;
  options.sources = {words({"1", "2"})};
  EXPECT_THAT(all(options), ElementsAre(Arguments{}, Arguments{}));
}

TEST(Input, a_header_names_the_columns) {
  Options options;
  options.header = true;
  options.colsep = ",";
  options.sources = {words({"name,age", "Ada,36"})};
  const auto input = make_input(options);
  EXPECT_THAT(input->names(), ElementsAre("name", "age"));
  EXPECT_EQ(input->next()->arguments, (Arguments{"Ada", "36"}));
}

TEST(Input, shuffled_commands_keep_their_numbers) {
  Options options;
  options.shuffle = true;
  options.sources = {words({"1", "2", "3", "4", "5", "6", "7", "8"})};
  const auto input = make_input(options);
  std::vector<std::string> seen;
  while (auto item = input->next()) {
    EXPECT_EQ(std::to_string(item->seq), item->arguments[0]);
    seen.push_back(item->arguments[0]);
  }
  EXPECT_EQ(seen.size(), 8U);
}

TEST(Input, a_file_that_cannot_be_opened_is_named) {
  Options options;
  Source source;
  source.kind = Source::Kind::file;
  source.file = "/no/such/file";
  options.sources = {source};
  try {
    make_input(options);
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("/no/such/file"));
  }
}

class RecordFile : public testing::Test {
 protected:
  std::vector<std::string> records(const std::string& content, const std::string& delimiter) {
    std::ofstream(path_, std::ios::binary) << content;
    RecordReader reader(path_, delimiter);
    std::vector<std::string> all_of_it;
    while (auto record = reader.next()) all_of_it.push_back(*record);
    return all_of_it;
  }
  void TearDown() override { std::remove(path_.c_str()); }
  std::string path_ = testing::TempDir() + "rankpool_records_" + std::to_string(::getpid());
};

TEST_F(RecordFile, the_last_record_may_lack_its_delimiter) {
  EXPECT_THAT(records("a\nb", "\n"), ElementsAre("a", "b"));
  EXPECT_THAT(records("a\nb\n", "\n"), ElementsAre("a", "b"));
  EXPECT_THAT(records("\n\n", "\n"), ElementsAre("", ""));
  EXPECT_TRUE(records("", "\n").empty());
}

TEST_F(RecordFile, a_delimiter_may_be_long_and_lie_across_two_reads) {
  const std::string long_one(65'535, 'x');
  EXPECT_THAT(records(long_one + "END" + "b" + "END", "END"), ElementsAre(long_one, "b"));
  EXPECT_THAT(records(std::string("a\0b\0", 4), std::string(1, '\0')), ElementsAre("a", "b"));
}

TEST(ColumnCutter, separators_are_texts_or_patterns) {
  EXPECT_THAT(ColumnCutter(",").cut("a,,b,"), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(ColumnCutter("[;\t]").cut("a;b\tc"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ColumnCutter("\\s+").cut("a  b c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ColumnCutter(",").cut(""), ElementsAre(""));
}

TEST(BlockCutter, a_block_ends_with_the_last_record_that_fits) {
  BlockCutter cutter(5, "\n", {});
  EXPECT_EQ(cutter.next("ab\ncd\nef\n", true), 3U);
  EXPECT_FALSE(cutter.next("ab\n", true));
  EXPECT_EQ(cutter.next("ab\n", false), 3U);
  EXPECT_FALSE(cutter.next("", false));
}

TEST(BlockCutter, a_record_that_is_longer_than_a_block_stays_whole) {
  BlockCutter cutter(3, "\n", {});
  EXPECT_FALSE(cutter.next("abcdef", true));
  EXPECT_EQ(cutter.next("abcdefgh\ni", true), 9U);
}

TEST(BlockCutter, blocks_of_so_many_records) {
  BlockCutter cutter(1 << 20, "\n", 2);
  EXPECT_FALSE(cutter.next("a\nb", true));
  EXPECT_EQ(cutter.next("a\nb\nc\n", true), 4U);
  EXPECT_EQ(cutter.next("c", false), 1U);
}

TEST(BlockCutter, records_of_several_lines) {
  BlockCutter cutter(1 << 20, "\n", {}, 3);
  EXPECT_FALSE(cutter.next("1\n2\n3\n4\n", true));
  EXPECT_EQ(cutter.next("1\n2\n3\n4\n", false), 6U);
  EXPECT_EQ(cutter.next("4\n", false), 2U);
  BlockCutter small(5, "\n", {}, 2);
  EXPECT_EQ(small.next("1\n2\n3\n4\n", true), 4U);
  EXPECT_EQ(small.next("long\nlonger\n3\n", true), 12U);
  BlockCutter counted(1, "\n", 2, 2);
  EXPECT_FALSE(counted.next("1\n2\n3\n", true));
  EXPECT_EQ(counted.next("1\n2\n3\n4\n5\n", true), 8U);
  EXPECT_EQ(counted.next("5\n6\n", false), 4U);
}

TEST(BlockCutter, what_comes_in_pieces_is_cut_as_if_it_came_at_once) {
  const std::string text = "a--b--cc---d--e-f--";
  for (const std::size_t piece : {1U, 2U, 3U, 50U}) {
    BlockCutter cutter(6, "--", {});
    std::vector<std::string> blocks;
    std::string buffer;
    for (std::size_t at = 0; at < text.size() || !buffer.empty();) {
      if (const auto size = cutter.next(buffer, at < text.size())) {
        blocks.push_back(buffer.substr(0, *size));
        buffer.erase(0, *size);
      } else {
        buffer += text.substr(at, piece);
        at = std::min(at + piece, text.size());
      }
    }
    EXPECT_THAT(blocks, ElementsAre("a--b--", "cc--", "-d--", "e-f--")) << piece;
  }
}

TEST(Trim, blanks_go_where_it_says) {
  EXPECT_EQ(trimmed(" a ", Options::Trim::left), "a ");
  EXPECT_EQ(trimmed(" a ", Options::Trim::right), " a");
  EXPECT_EQ(trimmed(" a\t", Options::Trim::both), "a");
  EXPECT_EQ(trimmed("   ", Options::Trim::both), "");
}

}  // namespace
}  // namespace rankpool::parallel
