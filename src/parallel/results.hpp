#pragma once

#include "parallel/command.hpp"
#include "parallel/options.hpp"
#include "parallel/spool.hpp"
#include "parallel/template.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// `--results`: what commands print, in files.
namespace rankpool::parallel {

/// One command that has ended.
struct Finished {
  std::uint64_t seq = 0;
  const Arguments& arguments;
  std::size_t sources = 1;  ///< Item::sources
  const std::string& command;
  const CommandEnd& end;
  std::uint64_t sent = 0;
  const Spool::Stream& out;
  const Spool::Stream& err;
};

class Results {
 public:
  virtual ~Results() = default;
  /// Throws std::system_error.
  virtual void write(const Finished& finished) = 0;
};

/// A file of lines for names that end in .csv, .tsv, .json or .jsonl, one for each rank if there are several; else a
/// tree of folders. `resumed`: lines are added to what is there.
/// Throws std::runtime_error if the name holds a replacement string that is none.
std::unique_ptr<Results> make_results(const std::string& name, const std::vector<std::string>& argument_names,
                                      bool several_ranks, bool resumed);

/// The folder of a command below the tree's: for each argument the name of its source, or its number, and the argument.
std::string results_folder(const Arguments& arguments, std::size_t sources,
                           const std::vector<std::string>& argument_names);

/// How rows of results are written.
enum class RowFormat { csv, tsv, json };
/// By the end of its name; nothing: a tree of folders.
std::optional<RowFormat> row_format_of(const std::string& name);
/// The text as a field; without its quotes, if it has none.
std::string csv_field(const std::string& text, char separator);
/// The text within a JSON string, without its quotes. Bytes that are no UTF-8 become U+FFFD.
std::string json_text(std::string_view text);
/// Whole characters at the beginning of `bytes`: what a longer text may be cut at.
std::size_t whole_utf8(std::string_view bytes);

}  // namespace rankpool::parallel
