#include "parallel/shell_words.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

namespace rankpool::parallel {
namespace {

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

/// Characters that mean nothing to any of the shells below. Bytes of other alphabets are letters to them.
bool is_plain(char c) {
  return is_letter_or_digit(c) || static_cast<unsigned char>(c) >= 0x80 ||
         std::string_view("_-./,:+@%=").find(c) != std::string_view::npos;
}

/// Whose words are cut as below; others have rules of their own.
bool is_known_shell(std::string_view shell) {
  static constexpr std::array<std::string_view, 7> kKnown{"sh", "bash", "dash", "ksh", "mksh", "zsh", "ash"};
  const auto slash = shell.rfind('/');
  const auto name = slash == std::string_view::npos ? shell : shell.substr(slash + 1);
  return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

/// Words that one of these shells does not look up as a program. `true` and `false` do the same as programs.
bool is_shell_word(const std::string& word) {
  static const std::set<std::string, std::less<>> kWords = {
      ".",          ":",          "[",         "[[",       "alias",   "autoload", "bg",      "bind",    "bindkey",
      "break",      "builtin",    "bye",       "caller",   "case",    "cd",       "chdir",   "command", "compctl",
      "compgen",    "complete",   "compopt",   "continue", "coproc",  "declare",  "dirs",    "disable", "disown",
      "do",         "done",       "echo",      "echotc",   "elif",    "else",     "emulate", "enable",  "esac",
      "eval",       "exec",       "exit",      "export",   "fc",      "fg",       "fi",      "float",   "for",
      "foreach",    "function",   "functions", "getln",    "getopts", "global",   "hash",    "help",    "history",
      "if",         "in",         "integer",   "jobs",     "kill",    "let",      "limit",   "local",   "log",
      "logout",     "mapfile",    "nice",      "noglob",   "popd",    "print",    "printf",  "pushd",   "pushln",
      "pwd",        "read",       "readarray", "readonly", "rehash",  "repeat",   "return",  "sched",   "select",
      "set",        "setopt",     "shift",     "shopt",    "sleep",   "source",   "stat",    "suspend", "test",
      "then",       "time",       "times",     "trap",     "ttyctl",  "type",     "typeset", "ulimit",  "umask",
      "unalias",    "unfunction", "unhash",    "unlimit",  "unset",   "unsetopt", "until",   "vared",   "wait",
      "whence",     "where",      "which",     "while",    "whoami",  "zcompile", "zformat", "zle",     "zmodload",
      "zparseopts", "zstyle"};
  // sleep, stat, nice and whoami are programs to most, and the same ones.
  static const std::set<std::string, std::less<>> kProgramsToo = {"sleep", "stat", "nice", "whoami"};
  return kWords.contains(word) && !kProgramsToo.contains(word);
}

}  // namespace

std::string quoted(std::string_view text) {
  if (text.empty()) return "''";
  if (std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter_or_digit(c) || std::string_view("-_.+/").find(c) != std::string_view::npos;
      })) {
    return std::string(text);
  }
  // As GNU parallel has it, so that commands in joblogs compare: 'it'"'"'s', without empty quotes at either end.
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    const bool apostrophes = text[i] == '\'';
    const auto end = apostrophes ? text.find_first_not_of('\'', i) : text.find('\'', i);
    const auto part = text.substr(i, end == std::string_view::npos ? end : end - i);
    const char quote = apostrophes ? '"' : '\'';
    result += quote;
    result += part;
    result += quote;
    i += part.size();
  }
  return result;
}

std::optional<std::vector<std::string>> split_words(std::string_view list) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    const bool escapes = c == '\\' && quote != '\'' && i + 1 < list.size();
    if (quote == 0 && std::string_view(" \t\n").find(c) != std::string_view::npos) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (escapes) {
      words.back() += list[++i];
    } else if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return std::nullopt;
  return words;
}

bool environment_has_function(const std::string& name) {
  return std::getenv(("BASH_FUNC_" + name + "%%").c_str()) != nullptr ||
         std::getenv(("BASH_FUNC_" + name + "()").c_str()) != nullptr;
}

std::optional<std::vector<std::string>> plain_words(std::string_view command, std::string_view shell,
                                                    bool (*has_function)(const std::string& name)) {
  if (!is_known_shell(shell)) return std::nullopt;
  std::vector<std::string> words;
  bool in_word = false;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (c == ' ' || c == '\t') {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    if (c == '=' && !in_word) return std::nullopt;  // zsh: the path of a program
    in_word = true;
    if (c == '\'') {
      const auto end = command.find('\'', i + 1);
      if (end == std::string_view::npos) return std::nullopt;
      words.back() += command.substr(i + 1, end - i - 1);
      i = end;
    } else if (c == '"') {
      const auto end = command.find_first_of("\"$`\\!", i + 1);
      if (end == std::string_view::npos || command[end] != '"') return std::nullopt;
      words.back() += command.substr(i + 1, end - i - 1);
      i = end;
    } else if (is_plain(c)) {
      words.back() += c;
    } else {
      return std::nullopt;
    }
  }
  if (words.empty() || words.front().empty()) return std::nullopt;
  const std::string& first = words.front();
  if (first.find('=') != std::string::npos || first.front() == '%' || is_shell_word(first) || has_function(first)) {
    return std::nullopt;
  }
  return words;
}

}  // namespace rankpool::parallel
