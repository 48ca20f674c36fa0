#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rankpool::watch {

/// Deflates lines that are nearly the same as an earlier one, which the caller knows: the lines of a trace.
///
/// zlib's own deflate searches every byte for its match: 400 ns for a line of a trace here, 4 % of a task of 10 us. Who
/// knows where the match is needs a tenth of that, for files of the same size. What is written is plain deflate
/// (RFC 1951) in blocks with one fixed set of code lengths, and is read by zlib and everybody else.
class LineCompressor {
 public:
  LineCompressor();

  /// Text of any kind, as literals.
  void text(std::string_view text);
  /// A line that resembles `earlier`, which was written so that it began at `position`.
  void line(std::string_view text, std::string_view earlier, std::uint64_t position);
  /// Bytes of text so far: where the next one begins.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  /// An earlier line that begins farther back cannot be referred to.
  [[nodiscard]] bool reaches(std::uint64_t position) const noexcept { return position_ - position <= kWindow; }

  /// Ends the block at a byte's boundary: what is in `output` can be inflated to its end.
  void flush();
  /// Compressed bytes so far; the caller clears it as it likes after a `flush`.
  [[nodiscard]] std::vector<std::uint8_t>& output() noexcept { return output_; }
  [[nodiscard]] std::size_t output_size() const noexcept { return output_.size(); }

 private:
  static constexpr std::uint64_t kWindow = 32'768;

  void begin_block();
  void end_match();
  void literal(unsigned char byte);
  void match(std::uint64_t length, std::uint64_t distance);
  void put(std::uint64_t bits, unsigned count) {
    held_ |= bits << held_count_;
    held_count_ += count;
    if (held_count_ >= 32) drain();
  }
  void drain();

  std::vector<std::uint8_t> output_;
  std::uint64_t held_ = 0;  ///< bits that are not in the output yet, less than 32 of them
  unsigned held_count_ = 0;
  std::uint64_t position_ = 0;
  bool in_block_ = false;
  // A match that the next line may make longer.
  std::uint64_t match_length_ = 0;
  std::uint64_t match_distance_ = 0;
};

}  // namespace rankpool::watch
