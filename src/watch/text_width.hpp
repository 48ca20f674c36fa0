#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rankpool::watch {

/// Columns that a UTF-8 text takes on a terminal: two for East Asian wide characters and emoji, none for combining
/// ones. Whatever the locale says.
[[nodiscard]] std::size_t text_width(std::string_view text);
/// The longest beginning of so many columns at the most; what was cut off is shown by "…", or "~" without UTF-8.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::size_t columns, bool utf8 = true);
/// Control characters become blanks and what is not UTF-8 becomes "?", so that it may stand in a line.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace rankpool::watch
