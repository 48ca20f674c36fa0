#pragma once

#include "watch/event.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// What the page is made of: texts, and charts as SVG, which print and need no script.
namespace rankpool::tools {

/// Of a chart over time.
inline constexpr std::size_t kChartBins = 160;

/// A text within HTML.
[[nodiscard]] std::string html(std::string_view text);
[[nodiscard]] std::string number(double value, int digits = 4);
/// "49.1 ms".
[[nodiscard]] std::string length(watch::Time ns);

struct Axis {
  std::string left, right, top;
};
[[nodiscard]] std::string chart(const std::vector<double>& bars, const Axis& axis, const std::string& id);
/// Bars that stand on each other, as many of each; the first ones are at the bottom. Their colours are the page's, in
/// turn.
[[nodiscard]] std::string stacked_chart(const std::vector<std::vector<double>>& stack, const Axis& axis,
                                        const std::string& id);

}  // namespace rankpool::tools
