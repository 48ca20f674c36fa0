#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rankpool::base {

enum class LogLevel : std::uint8_t { error, warn, info, debug };

/// What is written from now on: messages up to this level. Thread-safe.
void set_log_level(LogLevel level) noexcept;
[[nodiscard]] LogLevel log_level() noexcept;
/// Stands in every line, "rank 3 on n2", once the process knows it. Not thread-safe: call it while there is one thread.
void set_log_origin(std::string origin);

/// Writes one line, "rankpool: warning: ...", to stderr with one system call. Thread-safe; never throws.
void log(LogLevel level, std::string_view text) noexcept;

inline void log_error(std::string_view text) noexcept { log(LogLevel::error, text); }
inline void log_warn(std::string_view text) noexcept { log(LogLevel::warn, text); }
inline void log_info(std::string_view text) noexcept {
  if (log_level() >= LogLevel::info) log(LogLevel::info, text);
}
inline void log_debug(std::string_view text) noexcept {
  if (log_level() >= LogLevel::debug) log(LogLevel::debug, text);
}

}  // namespace rankpool::base
