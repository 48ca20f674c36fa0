#include "base/limits.hpp"

#include <sys/resource.h>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <system_error>

namespace rankpool::base {
namespace {

std::optional<rlim_t> limit_on(int what) {
  rlimit limit{};
  if (::getrlimit(static_cast<__rlimit_resource>(what), &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return std::nullopt;
  }
  return limit.rlim_cur;
}

std::string memory_limit() {
  const auto limit = limit_on(RLIMIT_AS);
  return limit ? "this process may have " + std::to_string(*limit / 1024) + " KiB of memory (ulimit -v)" : "";
}

std::string process_limit() {
  const auto limit = limit_on(RLIMIT_NPROC);
  return limit ? "this user may have " + std::to_string(*limit) + " processes and threads (ulimit -u)" : "";
}

/// The limit that such an error is about, if there is one.
std::string limit_behind(int error) {
  switch (error) {
    case EMFILE: {
      const auto limit = limit_on(RLIMIT_NOFILE);
      return limit ? "this process may have " + std::to_string(*limit) + " (ulimit -n)" : "";
    }
    case ENFILE:
      return "this is the limit of the whole machine";
    case EAGAIN: {
      // Of a new process or thread: there are too many, or there is no room for its stack.
      const std::string processes = process_limit();
      const std::string memory = memory_limit();
      return processes + (processes.empty() || memory.empty() ? "" : ", ") + memory;
    }
    case ENOMEM:
      return memory_limit();
    case EFBIG: {
      const auto limit = limit_on(RLIMIT_FSIZE);
      return limit ? "files of this process may have " + std::to_string(*limit / 1024) +
                         " KiB, memory that it shares with its workers too (ulimit -f)"
                   : "";
    }
    default:
      return "";
  }
}

std::string with_limit(std::string text, int error) {
  const std::string limit = limit_behind(error);
  return limit.empty() ? text : std::move(text) + ": " + limit;
}

}  // namespace

std::string error_text(int error) { return with_limit(std::strerror(error), error); }

std::string explain(const std::exception& error) {
  if (const auto* const failed = dynamic_cast<const std::system_error*>(&error)) {
    return with_limit(failed->what(), failed->code().value());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return with_limit("there is no memory", ENOMEM);
  return error.what();
}

}  // namespace rankpool::base
