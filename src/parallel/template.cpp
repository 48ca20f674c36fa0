#include "parallel/template.hpp"

#include "parallel/shell_words.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace rankpool::parallel {

std::string_view Template::path_part(const std::string& argument, Path path) {
  std::string_view text = argument;
  const auto slash = text.rfind('/');
  if (path == Path::folder) {
    // As dirname(1) has it: what stands before the last part, slashes behind which nothing stands left out.
    while (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
    const auto before = text.rfind('/');
    if (before == std::string_view::npos) return ".";
    text = text.substr(0, before);
    while (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
    return text.empty() ? "/" : text;
  }
  if ((path == Path::base || path == Path::base_no_extension) && slash != std::string_view::npos) {
    text.remove_prefix(slash + 1);
  }
  if (path == Path::no_extension || path == Path::base_no_extension) {
    // The dot stands in the last part of the path, and behind it is something.
    const auto dot = text.rfind('.');
    const auto last = text.rfind('/');
    if (dot != std::string_view::npos && (last == std::string_view::npos || dot > last)) text = text.substr(0, dot);
  }
  return text;
}

/// Reads one word of the command after the other.
struct Template::Parser {
  const Rules& rules;
  Template result;
  bool any_argument = false;
  std::optional<Problem> problem;

  void text(std::string_view piece) {
    if (piece.empty()) return;
    if (result.parts_.empty() || result.parts_.back().what != What::text) result.parts_.emplace_back();
    result.parts_.back().text += piece;
  }
  void literal(std::string_view piece) {
    if (piece.empty()) return;
    text(rules.quote_words ? quoted(piece) : std::string(piece));
  }

  static std::optional<Path> path_of(std::string_view suffix) {
    if (suffix.empty()) return Path::whole;
    if (suffix == ".") return Path::no_extension;
    if (suffix == "/") return Path::base;
    if (suffix == "//") return Path::folder;
    if (suffix == "/.") return Path::base_no_extension;
    return std::nullopt;
  }

  /// What stands between braces, if that is a replacement string.
  std::optional<Part> part_of(std::string_view inside) const {
    Part part;
    if (inside == "#" || inside == "%") {
      part.what = inside == "#" ? What::seq : What::slot;
      return part;
    }
    const auto end = std::min(inside.find_first_of("./"), inside.size());
    for (std::size_t name_end = inside.size();; --name_end) {
      // A name may have dots itself, so the longest one that is known wins.
      const auto name = inside.substr(0, name_end);
      const auto known = std::find(rules.names.begin(), rules.names.end(), name);
      const auto path = path_of(inside.substr(name_end));
      if (name_end > 0 && known != rules.names.end() && path) {
        part.what = What::one;
        part.index = static_cast<int>(known - rules.names.begin()) + 1;
        part.path = *path;
        return part;
      }
      if (name_end <= end) break;
    }
    const auto path = path_of(inside.substr(end));
    if (!path) return std::nullopt;
    part.path = *path;
    if (end == 0) {
      part.what = What::all;
      return inside.empty() && rules.replacement != "{}" ? std::nullopt : std::optional(part);
    }
    const auto number = inside.substr(0, end);
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), part.index);
    if (error != std::errc() || stop != number.data() + number.size()) return std::nullopt;
    part.what = part.index == 0 ? What::all : What::one;
    return part;
  }

  void word(std::string_view rest) {
    std::size_t from = 0;
    for (std::size_t i = 0; i < rest.size();) {
      std::optional<Part> part;
      std::size_t size = 0;
      if (rules.replacement != "{}" && !rules.replacement.empty() && rest.substr(i).starts_with(rules.replacement)) {
        part = Part{What::all, {}, 0, Path::whole};
        size = rules.replacement.size();
      } else if (rest[i] == '{') {
        const auto perl_end = rest.find("=}", i);
        if (rest.substr(i).starts_with("{=") && perl_end != std::string_view::npos) {
          problem = Problem{std::string(rest.substr(i, perl_end + 2 - i)) +
                            ": no Perl is run: let the command or a filter before rankpool-parallel do it"};
          return;
        }
        const auto close = rest.find('}', i);
        if (close != std::string_view::npos) {
          part = part_of(rest.substr(i + 1, close - i - 1));
          size = close + 1 - i;
        }
      }
      if (!part) {
        ++i;
        continue;
      }
      literal(rest.substr(from, i - from));
      any_argument = true;
      result.has_slot_ = result.has_slot_ || part->what == What::slot;
      result.parts_.push_back(std::move(*part));
      i += size;
      from = i;
    }
    literal(rest.substr(from));
  }
};

std::variant<Template, Template::Problem> Template::parse(const std::vector<std::string>& words, const Rules& rules) {
  Parser parser{rules, {}, false, {}};
  parser.result.quote_arguments_ = rules.quote_arguments && !words.empty();
  for (const auto& word : words) {
    if (&word != &words.front()) parser.text(" ");
    parser.word(word);
    if (rules.quote_words && word.empty()) parser.text("''");
    if (parser.problem) return *parser.problem;
  }
  if (!parser.any_argument && rules.append) {
    if (!words.empty()) parser.text(" ");
    parser.result.parts_.push_back({What::all, {}, 0, Path::whole});
  }
  return std::move(parser.result);
}

void Template::put(std::string& to, const std::string& argument, Path path) const {
  const auto part = path_part(argument, path);
  if (quote_arguments_) {
    to += quoted(part);
  } else {
    to += part;
  }
}

std::string Template::render(const Arguments& arguments, std::uint64_t seq, int slot) const {
  std::string result;
  for (const Part& part : parts_) {
    switch (part.what) {
      case What::text:
        result += part.text;
        break;
      case What::seq:
        result += std::to_string(seq);
        break;
      case What::slot:
        result += std::to_string(slot);
        break;
      case What::all:
        for (const auto& argument : arguments) {
          if (&argument != &arguments.front()) result += ' ';
          put(result, argument, part.path);
        }
        break;
      case What::one: {
        const auto count = static_cast<std::int64_t>(arguments.size());
        const std::int64_t at = part.index > 0 ? part.index - 1 : count + part.index;
        if (at >= 0 && at < count) put(result, arguments[static_cast<std::size_t>(at)], part.path);
        break;
      }
    }
  }
  return result;
}

}  // namespace rankpool::parallel
