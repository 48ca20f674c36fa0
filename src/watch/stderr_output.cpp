#include "watch/stderr_output.hpp"

#include "base/settings.hpp"
#include "base/terminal_rescue.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cerrno>
#include <string_view>

namespace rankpool::watch {
namespace {

/// A terminal that takes nothing (Ctrl-S) is not waited for longer.
constexpr int kPatienceMs = 200;

bool speaks_utf8() {
  for (const char* const name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = base::environment(name);
    if (!value || value->empty()) continue;
    return value->find("UTF-8") != std::string::npos || value->find("utf8") != std::string::npos ||
           value->find("UTF8") != std::string::npos;
  }
  return false;
}

}  // namespace

StderrOutput::StderrOutput(bool launched, std::atomic<std::uint32_t>* kept)
    : fd_(STDERR_FILENO), utf8_(speaks_utf8()), kept_(kept) {
  const auto term = base::environment("TERM");
  const bool plain = !term || term->empty() || *term == "dumb";
  if (launched) {
    if (const auto told = plain ? std::nullopt : base::open_told_terminal()) {
      fd_ = *told;
      is_terminal_ = true;
    }
  } else {
    is_terminal_ = !plain && ::isatty(STDERR_FILENO) != 0;
  }
}

StderrOutput::~StderrOutput() {
  if (fd_ != STDERR_FILENO) ::close(fd_);
}

std::optional<ProgressOutput::Size> StderrOutput::terminal() {
  if (!is_terminal_) return std::nullopt;
  winsize size{};
  // One that does not know its size has the usual one.
  if (::ioctl(fd_, TIOCGWINSZ, &size) != 0 || size.ws_col < 2 || size.ws_row == 0) return Size{};
  return Size{size.ws_row, size.ws_col};
}

void StderrOutput::write(const std::string& text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written > 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (written < 0 && errno == EAGAIN) {
      pollfd wait{fd_, POLLOUT, 0};
      if (::poll(&wait, 1, kPatienceMs) <= 0) return;
    } else if (written < 0 && errno != EINTR) {
      return;  // nobody is there to be told
    }
  }
}

void StderrOutput::kept(std::size_t lines) {
  if (kept_ != nullptr) kept_->store(static_cast<std::uint32_t>(lines), std::memory_order_relaxed);
}

}  // namespace rankpool::watch
