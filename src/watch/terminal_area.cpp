#include "watch/terminal_area.hpp"

#include "base/terminal_rescue.hpp"

namespace rankpool::watch {
namespace {

constexpr const char* kSaveCursor =
    "\x1b"
    "7";
constexpr const char* kRestoreCursor =
    "\x1b"
    "8";
/// Down a line, in the same column; at the bottom the screen scrolls.
constexpr const char* kIndex =
    "\x1b"
    "D";

std::string number(std::size_t value) { return std::to_string(value); }

}  // namespace

std::string TerminalArea::show(const std::vector<std::string>& lines, std::size_t rows, std::size_t columns) {
  std::string text;
  if (lines.size() != lines_ || rows != rows_ || columns != columns_) {
    if (lines_ != 0) text += base::kTerminalRescue;
    lines_ = lines.size();
    rows_ = rows;
    columns_ = columns;
    if (lines_ == 0) return text;
    // Room below the cursor, which stays where the program's output goes on.
    for (std::size_t i = 0; i < lines_; ++i) text += kIndex;
    text += "\x1b[" + number(lines_) + "A";
    // To set what scrolls moves the cursor.
    text += std::string(kSaveCursor) + "\x1b[1;" + number(rows - lines_) + "r" + kRestoreCursor;
  }
  if (lines_ == 0) return text;
  text += kSaveCursor;
  for (std::size_t i = 0; i < lines_; ++i) {
    text += "\x1b[" + number(rows - lines_ + 1 + i) + ";1H\x1b[2K" + lines[i];
  }
  return text + kRestoreCursor;
}

std::string TerminalArea::close() {
  if (lines_ == 0) return {};
  lines_ = 0;
  return base::kTerminalRescue;
}

}  // namespace rankpool::watch
