#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace rankpool::watch {

/// The lowest lines of a terminal, kept for progress while everything else, whoever writes it, scrolls above them: what
/// the program and its tasks print goes straight to the terminal, and no line of it may be torn. Makes the texts that
/// do this; does no output. Control sequences of ECMA-48 and DEC that all terminals of today know (apt's own progress
/// uses the same).
///
///     program's output  ▲ scrolls
///     ...
///     fits   45%|████▌     | ...      not reached by it
///     sweeps 10%|█         | ...
class TerminalArea {
 public:
  /// Shows these lines, on a terminal of that size; what has changed since the last call is taken care of.
  [[nodiscard]] std::string show(const std::vector<std::string>& lines, std::size_t rows, std::size_t columns);
  /// Gives the lines back.
  [[nodiscard]] std::string close();
  [[nodiscard]] std::size_t lines() const noexcept { return lines_; }
  /// Whether so many lines can be kept there.
  [[nodiscard]] static bool fits(std::size_t lines, std::size_t rows) noexcept { return rows >= lines + 3; }

 private:
  std::size_t lines_ = 0;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
};

}  // namespace rankpool::watch
