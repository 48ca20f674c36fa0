#pragma once

#include "watch/line_compressor.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace rankpool::watch {

/// A file of lines, gzipped if its name ends in ".gz", that is whole after each `flush`, however the process ends: what
/// ends it (the closing text, gzip's trailer) is written each time and overwritten by what follows.
class TraceFile {
 public:
  /// @throws std::system_error if the file cannot be made
  explicit TraceFile(std::string path);
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  ~TraceFile();

  void text(std::string_view text);
  /// As LineCompressor::line.
  void line(std::string_view text, std::string_view earlier, std::uint64_t position);
  [[nodiscard]] std::uint64_t position() const noexcept { return length_; }
  [[nodiscard]] bool reaches(std::uint64_t position) const noexcept { return !gzip_ || compressor_.reaches(position); }

  /// Writes all there is, and `ending` behind it.
  /// @throws std::system_error
  void flush(std::string_view ending);
  /// Text that waits for the next flush takes so many bytes of memory.
  [[nodiscard]] std::size_t waiting() const noexcept { return gzip_ ? compressor_.output_size() : plain_.size(); }

 private:
  void count(std::string_view text);
  void check();
  void write(const void* from, std::size_t size, std::uint64_t at);

  const std::string path_;
  const bool gzip_;
  int fd_ = -1;
  std::uint64_t written_ = 0;   ///< bytes of the file that stay
  std::uint64_t length_ = 0;    ///< bytes of text
  std::uint32_t checksum_ = 0;  ///< of all but `unchecked_`
  std::string unchecked_;
  LineCompressor compressor_;
  std::string plain_;
};

}  // namespace rankpool::watch
