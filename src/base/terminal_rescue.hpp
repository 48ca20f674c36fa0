#pragma once

#include <optional>
#include <string>

namespace rankpool::base {

/// Set by rankpool-run, which alone knows: "HOST:PATH" of the terminal that its own stderr is. Ranks' streams are pipes
/// of the launcher then, or terminals of its own making.
inline constexpr const char* kTerminalVariable = "RANKPOOL_TERMINAL";

/// Opens the terminal that `kTerminalVariable` names, if it is one of this host; else nothing.
std::optional<int> open_told_terminal();

/// Makes the whole screen scroll again and erases what is below the cursor: what kept the lowest lines for its progress
/// (watch/terminal_area.hpp) has died.
inline constexpr const char kTerminalRescue[] =
    "\x1b"
    "7\x1b[r\x1b"
    "8\x1b[J";
/// Writes it to the terminal that is told, else to stderr.
void rescue_terminal() noexcept;

}  // namespace rankpool::base
