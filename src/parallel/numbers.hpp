#pragma once

#include "parallel/options.hpp"

#include <optional>
#include <string>

/// Numbers, sizes and times as options have them.
namespace rankpool::parallel {

std::optional<double> parse_number(const std::string& text);
std::optional<int> parse_count(const std::string& text);     ///< from 0 up
std::optional<int> parse_positive(const std::string& text);  ///< from 1 up
/// The text with \n, \t, \0, \xHH and the like as the characters that they mean.
std::string unescaped(const std::string& text);

}  // namespace rankpool::parallel
