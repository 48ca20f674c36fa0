#include "watch/terminal_area.hpp"

#include "base/terminal_rescue.hpp"

#include <gtest/gtest.h>

namespace rankpool::watch {
namespace {

// How it looks on a screen is for tests/watch/terminal.py; here is what is written.

TEST(TerminalArea, makes_room_below_the_cursor_and_puts_the_cursor_back) {
  TerminalArea area;
  EXPECT_EQ(area.show({"fits"}, 24, 80),
            "\x1b"
            "D\x1b[1A\x1b"
            "7\x1b[1;23r\x1b"
            "8\x1b"
            "7\x1b[24;1H\x1b[2Kfits\x1b"
            "8");
  EXPECT_EQ(area.show({"fits more"}, 24, 80),
            "\x1b"
            "7\x1b[24;1H\x1b[2Kfits more\x1b"
            "8");
  EXPECT_EQ(area.close(), base::kTerminalRescue);
  EXPECT_EQ(area.close(), "");
}

TEST(TerminalArea, begins_anew_when_the_terminal_or_the_number_of_lines_changes) {
  TerminalArea area;
  (void)area.show({"one"}, 24, 80);
  EXPECT_TRUE(area.show({"one"}, 30, 80).starts_with(base::kTerminalRescue));
  EXPECT_TRUE(area.show({"one"}, 30, 90).starts_with(base::kTerminalRescue));
  EXPECT_TRUE(area.show({"one", "two"}, 30, 90).starts_with(base::kTerminalRescue));
  EXPECT_EQ(area.lines(), 2U);
  EXPECT_EQ(area.show({}, 30, 90), base::kTerminalRescue);
  EXPECT_EQ(area.lines(), 0U);
}

TEST(TerminalArea, leaves_most_of_a_terminal_to_the_program) {
  EXPECT_TRUE(TerminalArea::fits(1, 24));
  EXPECT_FALSE(TerminalArea::fits(1, 3));
  EXPECT_FALSE(TerminalArea::fits(8, 10));
}

}  // namespace
}  // namespace rankpool::watch
