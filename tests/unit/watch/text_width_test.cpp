#include "watch/text_width.hpp"

#include <gtest/gtest.h>

namespace rankpool::watch {
namespace {

TEST(TextWidth, counts_columns_not_bytes) {
  EXPECT_EQ(text_width("fits"), 4U);
  EXPECT_EQ(text_width("größe"), 5U);
  EXPECT_EQ(text_width("計算"), 4U);
  EXPECT_EQ(text_width("e\u0301t\u00e9"), 3U);  // the first accent is a combining one
  EXPECT_EQ(text_width("🚀"), 2U);
  EXPECT_EQ(text_width("a\xff"), 2U);
}

TEST(TextWidth, cuts_between_characters) {
  EXPECT_EQ(cut_to_width("計算中", 6), "計算中");
  EXPECT_EQ(cut_to_width("計算中", 5), "計算…");
  EXPECT_EQ(cut_to_width("計算中", 4), "計…");
  EXPECT_EQ(cut_to_width("abcdef", 3, false), "ab~");
  EXPECT_EQ(cut_to_width("abcdef", 0), "");
  for (std::size_t columns = 0; columns < 12; ++columns)
    EXPECT_LE(text_width(cut_to_width("aé計🚀e\u0301zz", columns)), columns);
}

TEST(TextWidth, nothing_that_moves_the_cursor_is_printable) {
  EXPECT_EQ(printable("a\nb\x1b[31mc\rd\x7f"), "a b [31mc d ");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            " 31m");  // the control sequence introducer in one character
  EXPECT_EQ(printable("a\xffz\xe8\xa8"), "a?z??");
  EXPECT_EQ(printable("größe 計算"), "größe 計算");
}

}  // namespace
}  // namespace rankpool::watch
