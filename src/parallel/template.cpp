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
  void space(std::string piece) {
    if (!rules.repeat_words) return text(piece);
    result.parts_.push_back({What::space, std::move(piece), 0, Path::whole});
  }
  void literal(std::string_view piece) {
    constexpr std::string_view kBlanks = " \t";
    const auto as_typed = [&](std::string_view part) { return rules.quote_words ? quoted(part) : std::string(part); };
    while (!piece.empty()) {
      const auto blank = rules.repeat_words ? piece.find_first_of(kBlanks) : std::string_view::npos;
      if (blank == 0) {
        space(as_typed(piece.substr(0, 1)));
        piece.remove_prefix(1);
      } else {
        const auto part = piece.substr(0, blank);
        text(as_typed(part));
        piece.remove_prefix(part.size());
      }
    }
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
    // With -I, {1} is text to GNU parallel, though {1.} is not.
    if (rules.replacement != "{}" && part.path == Path::whole) return std::nullopt;
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
  parser.result.repeat_words_ = rules.repeat_words;
  parser.result.quote_arguments_ = rules.quote_arguments && !words.empty();
  for (const auto& word : words) {
    if (&word != &words.front()) parser.space(" ");
    parser.word(word);
    if (rules.quote_words && word.empty()) parser.text("''");
    if (parser.problem) return *parser.problem;
  }
  if (!parser.any_argument && rules.append) {
    if (!words.empty()) parser.space(" ");
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

void Template::put(std::string& to, const Part& part, const Values& values, std::size_t turn) const {
  const auto count = static_cast<std::int64_t>(values.arguments.size());
  std::int64_t at = static_cast<std::int64_t>(turn);
  switch (part.what) {
    case What::text:
    case What::space:
      to += part.text;
      return;
    case What::seq:
      to += std::to_string(values.seq);
      return;
    case What::slot:
      to += std::to_string(values.slot);
      return;
    case What::one:
      at = part.index > 0 ? part.index - 1 : count + part.index;
      break;
    case What::all:
      break;
  }
  if (at >= 0 && at < count) put(to, values.arguments[static_cast<std::size_t>(at)], part.path);
}

std::string Template::render(const Arguments& arguments, std::uint64_t seq, int slot) const {
  const Values values{arguments, seq, slot};
  std::string result;
  for (auto begin = parts_.begin(); begin != parts_.end();) {
    auto end = std::next(begin);
    if (repeat_words_ && begin->what != What::space) {
      end = std::find_if(end, parts_.end(), [](const Part& part) { return part.what == What::space; });
    }
    const bool repeated = std::any_of(begin, end, [](const Part& part) { return part.what == What::all; });
    const std::size_t turns = repeated ? std::max<std::size_t>(arguments.size(), 1) : 1;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      if (turn > 0) result += ' ';
      for (auto part = begin; part != end; ++part) put(result, *part, values, turn);
    }
    begin = end;
  }
  return result;
}

}  // namespace rankpool::parallel
