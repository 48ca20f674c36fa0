#include "parallel/progress.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace rankpool::parallel {
namespace {

constexpr std::chrono::milliseconds kOnTerminal{200};
constexpr int kBarWidth = 30;

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(std::llround(std::max(seconds, 0.0)));
  std::array<char, 64> text{};
  if (whole >= 86'400) {
    std::snprintf(text.data(), text.size(), "%ldd %02ld:%02ld", whole / 86'400, whole / 3600 % 24, whole / 60 % 60);
  } else if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%ld:%02ld", whole / 60, whole % 60);
  }
  return text.data();
}

std::optional<Progress::Clock::time_point> Progress::next() const {
  if (kind_ == Options::Progress::none) return std::nullopt;
  return next_;
}

std::string Progress::line(const Count& count, Clock::time_point now) const {
  const double gone = std::chrono::duration<double>(now - start_).count();
  std::string text;
  if (count.total && *count.total > 0) {
    const double part = static_cast<double>(count.done) / static_cast<double>(*count.total);
    text = std::to_string(static_cast<int>(part * 100)) + "% ";
    if (kind_ == Options::Progress::bar) {
      const auto full = static_cast<std::size_t>(part * kBarWidth);
      text += "[" + std::string(full, '#') + std::string(kBarWidth - full, ' ') + "] ";
    }
    text += std::to_string(count.done) + "/" + std::to_string(*count.total);
  } else {
    text = std::to_string(count.done) + " done";
  }
  if (kind_ == Options::Progress::progress) text += ", " + std::to_string(count.running) + " running";
  if (count.failed > 0) text += ", " + std::to_string(count.failed) + " failed";
  text += ", " + clock_text(gone) + " gone";
  if (count.done > 0 && gone > 0) {
    std::array<char, 32> rate{};
    std::snprintf(rate.data(), rate.size(), ", %.3g/s", static_cast<double>(count.done) / gone);
    text += rate.data();
    if (count.total && *count.total >= count.done) {
      text += ", " +
              clock_text(gone / static_cast<double>(count.done) * static_cast<double>(*count.total - count.done)) +
              " left";
    }
  }
  return text;
}

std::string Progress::update(const Count& count, Clock::time_point now) {
  if (kind_ == Options::Progress::none || now < next_) return {};
  if (terminal_) {
    next_ = now + kOnTerminal;
    return "\r" + line(count, now) + "\033[K";
  }
  // Ten seconds, and half as much again each time: some forty lines in a year.
  const bool first = next_ == start_;
  next_ = now + interval_;
  interval_ = interval_ * 3 / 2;
  return first ? std::string() : line(count, now) + "\n";
}

std::string Progress::finish(const Count& count, Clock::time_point now) {
  if (kind_ == Options::Progress::none) return {};
  return (terminal_ ? "\r" : "") + line(count, now) + (terminal_ ? "\033[K\n" : "\n");
}

}  // namespace rankpool::parallel
