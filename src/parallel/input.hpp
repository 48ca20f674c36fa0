#pragma once

#include "parallel/options.hpp"
#include "parallel/template.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

/// Where the arguments of commands come from.
namespace rankpool::parallel {

/// Records of a file, one after the other.
class RecordReader {
 public:
  /// Opens the file; "-" is standard input. Throws std::system_error.
  RecordReader(const std::string& file, std::string delimiter);
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;
  /// Without its delimiter; nothing at the end. Waits for more to come.
  std::optional<std::string> next();

 private:
  int file_ = -1;
  bool ended_ = false;
  std::string delimiter_;
  std::string buffer_;
  std::size_t at_ = 0;
};

/// One command's arguments and number.
struct Item {
  std::uint64_t seq = 0;
  Arguments arguments;
  std::size_t sources = 1;  ///< of the arguments, which begin with the first one again if there are more
  std::string block;        ///< its standard input, with --pipe
};

/// Gives the arguments of one command after the other. Used by one thread at a time.
class Input {
 public:
  virtual ~Input() = default;
  virtual std::optional<Item> next() = 0;
  /// Names of the arguments, from the header.
  [[nodiscard]] virtual const std::vector<std::string>& names() const = 0;
};

/// As the options say. Files are opened here. Throws std::system_error for one that cannot be, std::regex_error, and
/// std::runtime_error with a sentence.
std::unique_ptr<Input> make_input(const Options& options);

/// Cuts a record in columns. `separator` is a regular expression.
class ColumnCutter {
 public:
  explicit ColumnCutter(const std::string& separator);
  [[nodiscard]] std::vector<std::string> cut(const std::string& record) const;

 private:
  std::string plain_;  ///< the separator, where it is a text and no pattern
  std::regex pattern_;
};

std::string trimmed(const std::string& text, Options::Trim how);

/// Cuts a stream in blocks that end with a record: `max_records` each, or about `size` bytes.
class BlockCutter {
 public:
  /// `lines`: so many ends make a record (-L). `max_records`: a block has so many records, however long (-N).
  BlockCutter(std::uint64_t size, std::string record_end, std::optional<int> max_records, int lines = 1)
      : size_(size), record_end_(std::move(record_end)), max_records_(max_records), lines_(lines) {}
  /// Takes the next block from the beginning of `buffer`, if a whole one stands there. `more`: the stream may go on.
  [[nodiscard]] std::optional<std::size_t> next(const std::string& buffer, bool more);

 private:
  std::size_t take(std::size_t size);

  std::uint64_t size_;
  std::string record_end_;
  std::optional<int> max_records_;
  int lines_;
  std::size_t searched_ = 0;  ///< behind the last end that was found, or as far as there is none
  int ends_ = 0;              ///< found after the last whole record
  int records_ = 0;
  std::size_t whole_ = 0;  ///< size of the records that are whole
};

}  // namespace rankpool::parallel
