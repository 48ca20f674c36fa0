#include "watch/text_width.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace rankpool::watch {
namespace {

struct Span {
  std::uint32_t first;
  std::uint32_t last;
};
// From Unicode's EastAsianWidth (W and F) and general category (Mn, Me, Cf), by whole blocks where these are of one
// kind.
constexpr std::array<Span, 28> kWide{
    {{0x1100, 0x115F}, {0x231A, 0x231B}, {0x2329, 0x232A},   {0x23E9, 0x23EC},  {0x25FD, 0x25FE}, {0x2614, 0x2615},
     {0x2648, 0x2653}, {0x26A1, 0x26A1}, {0x26BD, 0x26BE},   {0x26D4, 0x26D4},  {0x2705, 0x2705}, {0x270A, 0x270B},
     {0x2728, 0x2728}, {0x274C, 0x274C}, {0x2753, 0x2755},   {0x2757, 0x2757},  {0x2795, 0x2797}, {0x2B1B, 0x2B1C},
     {0x2B50, 0x2B50}, {0x2E80, 0x303E}, {0x3041, 0xA4CF},   {0xA960, 0xA97C},  {0xAC00, 0xD7A3}, {0xF900, 0xFAFF},
     {0xFE30, 0xFE6F}, {0xFF01, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}}};
constexpr std::array<Span, 20> kZero{{{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
                                      {0x064B, 0x065F}, {0x06D6, 0x06DC}, {0x0900, 0x0902}, {0x093A, 0x093A},
                                      {0x093C, 0x093C}, {0x0941, 0x0948}, {0x094D, 0x094D}, {0x0E31, 0x0E31},
                                      {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
                                      {0x200B, 0x200F}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}};

template <std::size_t N>
bool within(const std::array<Span, N>& spans, std::uint32_t code) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& s) { return code >= s.first && code <= s.last; });
}

std::size_t width_of(std::uint32_t code) {
  if (code < 0x300) return 1;
  return within(kZero, code) ? 0 : within(kWide, code) ? 2 : 1;
}

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

Character read(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t bytes = first >= 0xF0 && first < 0xF5   ? 4
                            : first >= 0xE0 && first < 0xF0 ? 3
                            : first >= 0xC2 && first < 0xE0 ? 2
                                                            : 0;
  if (bytes == 0 || bytes > text.size()) return {};
  std::uint32_t code = first & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {};
    code = (code << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  const bool valid = code >= least[bytes] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return {code, valid ? bytes : 1, valid};
}

}  // namespace

std::size_t text_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character c = read(text);
    width += c.valid ? width_of(c.code) : 1;
    text.remove_prefix(c.bytes);
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t columns, bool utf8) {
  if (text_width(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t width = 1;  // of the mark
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Character c = read(text.substr(bytes));
    width += c.valid ? width_of(c.code) : 1;
    if (width > columns) break;
    bytes += c.bytes;
  }
  return std::string(text.substr(0, bytes)) + (utf8 ? "\u2026" : "~");
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const Character c = read(text);
    if (!c.valid) {
      result += '?';
    } else if (c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0)) {
      result += ' ';
    } else {
      result += text.substr(0, c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
  return result;
}

}  // namespace rankpool::watch
