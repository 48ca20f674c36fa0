#include "tools/trace/trace_chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace rankpool::tools {
namespace {

// A chart is 600 wide and 150 high: above the bars is a line of text, and below them another.
constexpr double kWidth = 600, kBase = 132, kRoom = 116;

/// Of all bars that are no lower than nothing, as one path: from `low` on, up to `high`.
std::string path_of(const std::vector<double>& low, const std::vector<double>& high, double most) {
  const double step = kWidth / static_cast<double>(high.size());
  const double wide = std::max(step - (step > 6 ? 1 : 0), 0.5);
  std::string path;
  for (std::size_t i = 0; i < high.size(); ++i) {
    if (high[i] <= low[i]) continue;
    const double tall = std::max((high[i] - low[i]) / most * kRoom, 0.8);
    path += "M" + number(static_cast<double>(i) * step, 5) + " " + number(kBase - low[i] / most * kRoom, 5) + "v-" +
            number(tall, 4) + "h" + number(wide, 4) + "v" + number(tall, 4) + "z";
  }
  return path;
}

std::string framed(const std::string& paths, const Axis& axis, const std::string& id) {
  return "<svg id=\"" + id + "\" viewBox=\"0 0 600 150\" role=\"img\">" + paths +
         "<path class=\"axis\" d=\"M0 132.5h600\"/><text x=\"0\" y=\"11\">" + html(axis.top) +
         "</text><text x=\"0\" y=\"146\">" + html(axis.left) + "</text><text x=\"600\" y=\"146\" text-anchor=\"end\">" +
         html(axis.right) + "</text></svg>";
}

}  // namespace

std::string html(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string number(double value, int digits) {
  std::array<char, 32> text{};
  if (std::abs(value) >= 1000) {
    std::snprintf(text.data(), text.size(), "%.0f", value);
  } else {
    std::snprintf(text.data(), text.size(), "%.*g", digits, value);
  }
  return text.data();
}

std::string length(watch::Time ns) {
  const auto value = static_cast<double>(ns);
  if (value < 1e3) return number(value) + " ns";
  if (value < 1e6) return number(value / 1e3) + " \u00b5s";
  if (value < 1e9) return number(value / 1e6) + " ms";
  return number(value / 1e9, 5) + " s";
}

std::string chart(const std::vector<double>& bars, const Axis& axis, const std::string& id) {
  const double most = std::max(*std::max_element(bars.begin(), bars.end()), 1e-12);
  const std::vector<double> nothing(bars.size());
  return framed("<path class=\"bar\" d=\"" + path_of(nothing, bars, most) + "\"/>", axis, id);
}

std::string stacked_chart(const std::vector<std::vector<double>>& stack, const Axis& axis, const std::string& id) {
  std::vector<std::vector<double>> tops{std::vector<double>(stack.front().size())};
  for (const auto& bars : stack) {
    tops.push_back(tops.back());
    for (std::size_t i = 0; i < bars.size(); ++i) tops.back()[i] += bars[i];
  }
  const double most = std::max(*std::max_element(tops.back().begin(), tops.back().end()), 1e-12);
  std::string paths;
  for (std::size_t i = 0; i < stack.size(); ++i) {
    paths += "<path style=\"fill:var(--c" + std::to_string(i % 8) + ")\" d=\"" + path_of(tops[i], tops[i + 1], most) +
             "\"/>";
  }
  return framed(paths, axis, id);
}

}  // namespace rankpool::tools
