#include "base/log.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <atomic>

namespace rankpool::base {
namespace {

std::atomic<LogLevel> g_level{LogLevel::warn};

/// There was no standard error when the program was loaded: what has that number now may be a file of the program, as
/// long as `run` has not put /dev/null there.
bool g_no_standard_error = false;

__attribute__((constructor(101))) void look_at_standard_error() {
  g_no_standard_error = ::fcntl(STDERR_FILENO, F_GETFD) < 0;
}

std::string& origin() {
  static std::string text;
  return text;
}

std::string_view word(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error: ";
    case LogLevel::warn:
      return "warning: ";
    case LogLevel::info:
      return "info: ";
    case LogLevel::debug:
      return "debug: ";
  }
  return "";
}

}  // namespace

void set_log_level(LogLevel level) noexcept { g_level.store(level, std::memory_order_relaxed); }

LogLevel log_level() noexcept { return g_level.load(std::memory_order_relaxed); }

void set_log_origin(std::string text) { origin() = std::move(text); }

void log(LogLevel level, std::string_view text) noexcept {
  if (level > log_level() || g_no_standard_error) return;
  try {
    std::string line = "rankpool: ";
    line += word(level);
    if (!origin().empty() && level >= LogLevel::info) line.append("[").append(origin()).append("] ");
    line.append(text).push_back('\n');
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
      if (written <= 0) return;
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  } catch (...) {  // no memory for the line: nothing better to be done
  }
}

}  // namespace rankpool::base
