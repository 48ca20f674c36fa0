#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rankpool::parallel {

/// The arguments of one command, in the order of their sources.
using Arguments = std::vector<std::string>;

/// A command with replacement strings: `{} {.} {/} {//} {/.} {#} {%} {2} {-1.} {name/}`.
class Template {
 public:
  struct Rules {
    std::string replacement = "{}";  ///< what stands for all arguments
    bool quote_words = false;        ///< -q: what stands in the command is kept from the shell
    bool append = true;              ///< arguments are appended to a command that has no replacement string
    bool quote_arguments = true;
    bool repeat_words = false;       ///< a word with `{}` stands there once for each argument, not the argument alone
    std::vector<std::string> names;  ///< of the arguments, from the header
  };
  struct Problem {
    std::string text;
  };

  /// From the words of a command line. Without a word each argument is itself a command.
  static std::variant<Template, Problem> parse(const std::vector<std::string>& words, const Rules& rules);

  [[nodiscard]] std::string render(const Arguments& arguments, std::uint64_t seq, int slot) const;
  /// Whether the text depends on the slot.
  [[nodiscard]] bool has_slot() const { return has_slot_; }

 private:
  enum class What { text, space, all, one, seq, slot };
  enum class Path { whole, no_extension, base, folder, base_no_extension };
  struct Part {
    What what = What::text;
    std::string text;
    int index = 0;  ///< from 1; below 0 from the end
    Path path = Path::whole;
  };
  struct Parser;
  struct Values {
    const Arguments& arguments;
    std::uint64_t seq;
    int slot;
  };
  static std::string_view path_part(const std::string& argument, Path path);
  /// `turn`: which of the arguments a part stands for that stands for all of them.
  void put(std::string& to, const Part& part, const Values& values, std::size_t turn) const;
  void put(std::string& to, const std::string& argument, Path path) const;

  std::vector<Part> parts_;
  bool quote_arguments_ = true;
  bool repeat_words_ = false;
  bool has_slot_ = false;
};

}  // namespace rankpool::parallel
