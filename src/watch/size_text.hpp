#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

namespace rankpool::watch {

/// "800 B", "1.6 kB", "210 MB".
[[nodiscard]] inline std::string size_text(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value < 1e3) return std::to_string(bytes) + " B";
  std::array<char, 32> text{};
  if (value < 1e6) {
    std::snprintf(text.data(), text.size(), "%.3g kB", value / 1e3);
  } else if (value < 1e9) {
    std::snprintf(text.data(), text.size(), "%.3g MB", value / 1e6);
  } else {
    std::snprintf(text.data(), text.size(), "%.3g GB", value / 1e9);
  }
  return text.data();
}

}  // namespace rankpool::watch
