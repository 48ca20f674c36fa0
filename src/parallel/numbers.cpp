#include "parallel/numbers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace rankpool::parallel {
namespace {

/// A number at the beginning of `text`, which it is taken from.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<Halt::What> parse_what(const std::string& text) {
  if (text == "fail") return Halt::What::fail;
  if (text == "success") return Halt::What::success;
  if (text == "done") return Halt::What::done;
  return std::nullopt;
}

}  // namespace

std::optional<double> parse_number(const std::string& text) {
  std::string_view rest = text;
  const auto value = take_number(rest);
  return rest.empty() ? value : std::nullopt;
}

std::optional<int> parse_count(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<int> parse_positive(const std::string& text) {
  const auto value = parse_count(text);
  return value && *value > 0 ? value : std::nullopt;
}

std::optional<double> parse_seconds(const std::string& text) {
  std::string_view rest = text;
  double sum = 0;
  do {
    auto value = take_number(rest);
    if (!value || *value < 0) return std::nullopt;
    if (!rest.empty()) {
      switch (rest.front()) {
        case 'd':
        case 'D':
          *value *= 24;
          [[fallthrough]];
        case 'h':
        case 'H':
          *value *= 60;
          [[fallthrough]];
        case 'm':
        case 'M':
          *value *= 60;
          [[fallthrough]];
        case 's':
        case 'S':
          rest.remove_prefix(1);
          break;
        default:
          return std::nullopt;
      }
    }
    sum += *value;
  } while (!rest.empty());
  return sum;
}

std::optional<std::uint64_t> parse_size(const std::string& text) {
  std::string_view rest = text;
  auto value = take_number(rest);
  if (!value || rest.size() > 1) return std::nullopt;
  if (rest.size() == 1) {
    static constexpr std::string_view kBinary = "KMGT";
    static constexpr std::string_view kDecimal = "kmgt";
    const auto binary = kBinary.find(rest.front());
    const auto decimal = kDecimal.find(rest.front());
    if (binary == std::string_view::npos && decimal == std::string_view::npos) return std::nullopt;
    const auto power = static_cast<double>(std::min(binary, decimal) + 1);
    *value *= std::pow(binary != std::string_view::npos ? 1024.0 : 1000.0, power);
  }
  if (*value < 1 || *value > 1e15) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::optional<Jobs> parse_jobs(const std::string& text) {
  using Kind = Jobs::Kind;
  if (text.empty()) return std::nullopt;
  if (text.front() == '+' || text.front() == '-') {
    const auto value = parse_count(text.substr(1));
    if (!value) return std::nullopt;
    return Jobs{Kind::more_than_cores, static_cast<double>(text.front() == '+' ? *value : -*value)};
  }
  if (text.back() == '%') {
    const auto value = parse_number(text.substr(0, text.size() - 1));
    if (!value || *value < 0) return std::nullopt;
    return Jobs{Kind::percent, *value};
  }
  const auto value = parse_count(text);
  if (!value) return std::nullopt;
  return *value == 0 ? Jobs{Kind::unlimited, 0} : Jobs{Kind::number, static_cast<double>(*value)};
}

std::optional<Halt> parse_halt(const std::string& text) {
  using When = Halt::When;
  if (text == "never" || text == "0") return Halt{};
  if (text == "1") return Halt{When::soon, Halt::What::fail, 1, false};
  if (text == "2") return Halt{When::now, Halt::What::fail, 1, false};
  Halt halt;
  const auto comma = text.find(',');
  const auto equals = text.find('=');
  if (comma == std::string::npos || equals == std::string::npos || equals < comma) return std::nullopt;
  const std::string when = text.substr(0, comma);
  if (when != "soon" && when != "now") return std::nullopt;
  halt.when = when == "now" ? When::now : When::soon;
  const auto what = parse_what(text.substr(comma + 1, equals - comma - 1));
  if (!what) return std::nullopt;
  halt.what = *what;
  std::string number = text.substr(equals + 1);
  halt.percent = number.ends_with('%');
  if (halt.percent) number.pop_back();
  const auto count = parse_number(number);
  if (!count || *count <= 0 || (halt.percent && *count > 100) || (!halt.percent && *count != std::floor(*count))) {
    return std::nullopt;
  }
  halt.count = *count;
  return halt;
}

int jobs_on_node(const Jobs& jobs, int cores) {
  constexpr int kAsManyAsPossible = 250;  // as GNU parallel finds on a machine with its usual limit of open files
  constexpr double kMost = 100'000;
  double number = cores;
  switch (jobs.kind) {
    case Jobs::Kind::all_cores:
      break;
    case Jobs::Kind::number:
      number = jobs.value;
      break;
    case Jobs::Kind::percent:
      number = std::floor(cores * jobs.value / 100 + 0.5);
      break;
    case Jobs::Kind::more_than_cores:
      number = cores + jobs.value;
      break;
    case Jobs::Kind::unlimited:
      number = kAsManyAsPossible;
      break;
  }
  return static_cast<int>(std::clamp(number, 1.0, kMost));
}

std::string unescaped(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      result += text[i];
      continue;
    }
    const char next = text[++i];
    static constexpr std::string_view kNames = "ntr0\\abfv";
    static constexpr std::string_view kMeant("\n\t\r\0\\\a\b\f\v", 9);
    if (const auto at = kNames.find(next); at != std::string_view::npos) {
      result += kMeant[at];
    } else if (next == 'x' && i + 1 < text.size()) {
      unsigned value = 0;
      const auto [end, error] =
          std::from_chars(text.data() + i + 1, text.data() + std::min(i + 3, text.size()), value, 16);
      if (error != std::errc()) {
        result += "\\x";
        continue;
      }
      i = static_cast<std::size_t>(end - text.data()) - 1;
      result += static_cast<char>(value);
    } else {
      result += '\\';
      result += next;
    }
  }
  return result;
}

}  // namespace rankpool::parallel
