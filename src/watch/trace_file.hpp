#pragma once

#include "watch/deflater.hpp"

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

  void text(std::string_view text) {
    gathered_ += text;
    if (gzip_ && gathered_.size() >= kGathered) compress();
  }

  /// Writes all there is, and `ending` behind it.
  /// @throws std::system_error
  void flush(std::string_view ending);
  /// Text that waits for the next flush takes so many bytes of memory.
  [[nodiscard]] std::size_t waiting() const noexcept { return gathered_.size() + deflater_.output_size(); }

 private:
  /// Compression, and its checksum, cost several times as much for lines one by one.
  static constexpr std::size_t kGathered = std::size_t{64} << 10U;

  void compress();
  void write(const void* from, std::size_t size, std::uint64_t at);

  const std::string path_;
  const bool gzip_;
  int fd_ = -1;
  std::uint64_t written_ = 0;   ///< bytes of the file that stay
  std::uint64_t length_ = 0;    ///< bytes of text that were compressed
  std::uint32_t checksum_ = 0;  ///< of these
  std::string gathered_;        ///< text that was not
  Deflater deflater_;
};

}  // namespace rankpool::watch
