#include "watch/line_compressor.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace rankpool::watch {
namespace {

constexpr unsigned kLiterals = 286;  // 256 bytes, the end of a block, 29 lengths
constexpr unsigned kDistances = 30;
constexpr unsigned kEndOfBlock = 256;
constexpr std::uint64_t kLongest = 258;
constexpr std::uint64_t kShortest = 3;

struct Code {
  std::uint32_t bits = 0;  ///< as they are written, the first one lowest
  std::uint8_t count = 0;
};

/// Canonical Huffman codes of the given lengths (RFC 1951, 3.2.2).
template <std::size_t N>
std::array<Code, N> codes_of(const std::array<std::uint8_t, N>& lengths) {
  std::array<unsigned, 16> count{};
  for (const auto length : lengths) ++count[length];
  count[0] = 0;
  std::array<unsigned, 16> next{};
  for (unsigned bits = 1, code = 0; bits < 16; ++bits) next[bits] = code = (code + count[bits - 1]) << 1U;
  std::array<Code, N> codes;
  for (std::size_t i = 0; i < N; ++i) {
    unsigned code = next[lengths[i]]++;
    std::uint32_t turned = 0;
    for (unsigned bit = 0; bit < lengths[i]; ++bit, code >>= 1U) turned = (turned << 1U) | (code & 1U);
    codes[i] = {turned, lengths[i]};
  }
  return codes;
}

/// Digits are most of what differs from line to line: 4 bits; lengths 7, common characters 10, the rest 11. This fills
/// the code space exactly (10/16 + 29/128 + 57/1024 + 190/2048 = 1), as inflate demands.
constexpr std::array<std::uint8_t, kLiterals> literal_lengths() {
  std::array<std::uint8_t, kLiterals> lengths{};
  for (unsigned i = 0; i < kLiterals; ++i) lengths[i] = i > kEndOfBlock ? 7 : 11;
  constexpr std::string_view common = "abcdefghijklmnopqrstuvwxyz\",:{}[]()<>._- =&*ABCDEFGIMNPST";
  static_assert(common.size() == 57);
  for (const char c : common) lengths[static_cast<unsigned char>(c)] = 10;
  for (char c = '0'; c <= '9'; ++c) lengths[static_cast<unsigned char>(c)] = 4;
  return lengths;
}
/// Lines are 129 to 256 bytes long as a rule, and refer to the one before: 2 bits for these distances.
constexpr std::array<std::uint8_t, kDistances> distance_lengths() {
  std::array<std::uint8_t, kDistances> lengths{};
  for (unsigned i = 0; i < kDistances; ++i) lengths[i] = i == 14 || i == 15 ? 2 : i < 4 ? 5 : 6;
  return lengths;
}

/// Symbol, first value and extra bits of lengths and distances (RFC 1951, 3.2.5).
struct Range {
  std::uint16_t first;
  std::uint8_t extra;
};
constexpr std::array<Range, 29> kLengthRanges{
    {{3, 0},  {4, 0},  {5, 0},  {6, 0},   {7, 0},   {8, 0},   {9, 0},   {10, 0},  {11, 1}, {13, 1},
     {15, 1}, {17, 1}, {19, 2}, {23, 2},  {27, 2},  {31, 2},  {35, 3},  {43, 3},  {51, 3}, {59, 3},
     {67, 4}, {83, 4}, {99, 4}, {115, 4}, {131, 5}, {163, 5}, {195, 5}, {227, 5}, {258, 0}}};

struct Tables {
  std::array<Code, kLiterals> literals = codes_of(literal_lengths());
  std::array<Code, kDistances> distances = codes_of(distance_lengths());
  std::array<Code, kLongest + 1> lengths;  ///< with their extra bits
  Tables() {
    for (std::uint32_t length = kShortest; length <= kLongest; ++length) {
      unsigned symbol = 28;
      while (kLengthRanges[symbol].first > length) --symbol;
      if (length == kLongest) symbol = 28;
      const Code code = literals[kEndOfBlock + 1 + symbol];
      lengths[length] = {code.bits | ((length - kLengthRanges[symbol].first) << code.count),
                         static_cast<std::uint8_t>(code.count + kLengthRanges[symbol].extra)};
    }
  }
};

const Tables& tables() {
  static const Tables instance;
  return instance;
}

}  // namespace

LineCompressor::LineCompressor() { tables(); }

void LineCompressor::drain() {
  const auto word = static_cast<std::uint32_t>(held_);
  const std::size_t size = output_.size();
  output_.resize(size + sizeof word);
  std::memcpy(output_.data() + size, &word, sizeof word);  // all machines that we serve are little-endian
  held_ >>= 32U;
  held_count_ -= 32;
}

void LineCompressor::begin_block() {
  in_block_ = true;
  put(0b100, 3);  // not the last block; codes of its own
  put(kLiterals - 257, 5);
  put(kDistances - 1, 5);
  // The lengths are themselves coded: those that occur (4, 10, 11 in 2 bits, 7 and the distances' in 3).
  std::array<std::uint8_t, 19> length_lengths{};
  length_lengths[10] = length_lengths[11] = 2;
  length_lengths[4] = length_lengths[7] = length_lengths[6] = 3;
  length_lengths[2] = length_lengths[5] = 4;
  constexpr std::array<std::uint8_t, 19> order{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  put(order.size() - 4, 4);
  for (const auto symbol : order) put(length_lengths[symbol], 3);
  const auto codes = codes_of(length_lengths);
  for (const auto length : literal_lengths()) put(codes[length].bits, codes[length].count);
  for (const auto length : distance_lengths()) put(codes[length].bits, codes[length].count);
}

void LineCompressor::literal(unsigned char byte) {
  const Code code = tables().literals[byte];
  put(code.bits, code.count);
}

void LineCompressor::match(std::uint64_t length, std::uint64_t distance) {
  // Distances from 5 on: two symbols for each power of two (RFC 1951, 3.2.5).
  unsigned symbol = static_cast<unsigned>(distance) - 1;
  unsigned extra = 0;
  std::uint64_t rest = 0;
  if (distance > 4) {
    const auto from = static_cast<std::uint32_t>(distance - 1);
    extra = static_cast<unsigned>(std::bit_width(from)) - 2;
    symbol = 2 * extra + (from >> extra);
    rest = from & ((1U << extra) - 1);
  }
  const Code way = tables().distances[symbol];
  const std::uint64_t way_bits = way.bits | (rest << way.count);
  while (length > 0) {
    // No piece shorter than three may be left.
    std::uint64_t piece = std::min(length, kLongest);
    if (length - piece > 0 && length - piece < kShortest) piece -= kShortest;
    const Code code = tables().lengths[static_cast<std::size_t>(piece)];
    put(code.bits, code.count);
    put(way_bits, way.count + extra);
    length -= piece;
  }
}

void LineCompressor::end_match() {
  if (match_length_ == 0) return;
  match(match_length_, match_distance_);
  match_length_ = 0;
}

void LineCompressor::text(std::string_view text) {
  if (!in_block_) begin_block();
  end_match();
  for (const char c : text) literal(static_cast<unsigned char>(c));
  position_ += text.size();
}

void LineCompressor::line(std::string_view text, std::string_view earlier, std::uint64_t position) {
  if (!reaches(position)) return this->text(text);
  if (!in_block_) begin_block();
  const std::uint64_t distance = position_ - position;
  const std::size_t common = std::min(text.size(), earlier.size());
  const char* const a = text.data();
  const char* const b = earlier.data();
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = at;
    while (end + 8 <= common) {
      std::uint64_t x = 0;
      std::uint64_t y = 0;
      std::memcpy(&x, a + end, 8);
      std::memcpy(&y, b + end, 8);
      if (x != y) {
        end += static_cast<std::size_t>(std::countr_zero(x ^ y)) / 8;
        break;
      }
      end += 8;
    }
    if (end + 8 > common) {
      while (end < common && a[end] == b[end]) ++end;
    }
    const std::uint64_t same = end - at;
    if (at == 0 && match_length_ != 0 && match_distance_ == distance) {
      match_length_ += same;
      at = end;
    } else if (same >= kShortest) {
      end_match();
      match_length_ = same;
      match_distance_ = distance;
      at = end;
    } else {
      end_match();
      for (; at < end; ++at) literal(static_cast<unsigned char>(a[at]));
    }
    if (at < text.size()) {
      end_match();
      literal(static_cast<unsigned char>(a[at++]));
    }
  }
  position_ += text.size();
}

void LineCompressor::flush() {
  if (!in_block_) return;
  end_match();
  const Code end = tables().literals[kEndOfBlock];
  put(end.bits, end.count);
  in_block_ = false;
  put(0, 3);  // an empty stored block, which begins at a byte's boundary
  while (held_count_ > 0) {
    output_.push_back(static_cast<std::uint8_t>(held_));
    held_ >>= 8U;
    held_count_ -= std::min(held_count_, 8U);
  }
  held_ = 0;
  for (const int byte : {0x00, 0x00, 0xff, 0xff}) output_.push_back(static_cast<std::uint8_t>(byte));
}

}  // namespace rankpool::watch
