#include "watch/progress.hpp"

#include "watch/text_width.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

namespace rankpool::watch {
namespace {

constexpr std::size_t kSamples = 128;
/// A rate of fewer items is more noise than news.
constexpr std::uint64_t kEnough = 10;
constexpr std::size_t kLongestBar = 40;
constexpr std::size_t kShortestBar = 5;
/// In a log, which is to stay small.
constexpr std::size_t kLongestLabel = 60;

std::string formatted(const char* format, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

/// ", 3 running, 2 failed, 1 lost, 1 retried"
std::string rest_of(const Progress& progress) {
  std::string text = progress.note().empty() ? "" : ", " + progress.note();
  const auto add = [&](std::uint64_t count, const char* what) {
    if (count != 0) text += ", " + std::to_string(count) + " " + what;
  };
  add(progress.failed(), "failed");
  add(progress.lost(), "lost");
  add(progress.retried(), "retried");
  add(progress.cancelled(), "cancelled");
  return text;
}

double part_of(const Progress& progress) {
  const auto total = progress.total();
  if (!total || *total == 0) return progress.finished() ? 1 : 0;
  return std::min(1.0, static_cast<double>(progress.ended()) / static_cast<double>(*total));
}

/// Never 100 before the end, and 100 only if all is done.
int percent_of(const Progress& progress) {
  const auto total = progress.total();
  const int percent = static_cast<int>(std::floor(part_of(progress) * 100));
  return total && progress.ended() < *total ? std::min(percent, 99) : percent;
}

std::string bar(double part, std::size_t columns, bool utf8) {
  std::string text;
  if (!utf8) {
    const auto full = static_cast<std::size_t>(part * static_cast<double>(columns));
    text.append(full, '#').append(columns - full, '.');
    return text;
  }
  constexpr std::array<const char*, 8> eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const auto parts = static_cast<std::size_t>(part * static_cast<double>(columns) * 8);
  for (std::size_t i = 0; i < parts / 8; ++i) text += "█";
  text += eighths[parts % 8];
  text.append(columns - (parts + 7) / 8, ' ');
  return text;
}

}  // namespace

Progress::Progress(std::string label, Time begin) : label_(printable(label)), begin_(begin), samples_{{begin, 0}} {}

void Progress::set_label(std::string label) { label_ = printable(label); }

void Progress::set_note(const std::string& note) { note_ = cut_to_width(printable(note), kLongestLabel); }

void Progress::note(Time now) {
  if (now - samples_.back().when < sample_every_) return;
  samples_.push_back({now, ended_});
  if (samples_.size() < kSamples) return;
  // Every other one goes.
  for (std::size_t i = 1; i < samples_.size() / 2; ++i) samples_[i] = samples_[2 * i];
  samples_.resize(samples_.size() / 2);
  sample_every_ *= 2;
}

void Progress::ended(Outcome outcome, std::uint64_t count, Time now) {
  ended_ += count;
  if (outcome == Outcome::lost) {
    lost_ += count;
  } else if (outcome != Outcome::done) {
    failed_ += count;
  }
  note(now);
}

void Progress::cancelled(std::uint64_t count, Time now) {
  ended_ += count;
  cancelled_ += count;
  note(now);
}

void Progress::finish(Time now) {
  // All that has ended is all there was.
  if (std::exchange(open_, false)) total_ = std::max(total_, ended());
  finished_ = now;
}

double Progress::rate(Time now) const {
  const auto over = [&](const Sample& from, Time until) {
    const Time time = until - from.when;
    return time <= 0 ? 0.0 : static_cast<double>(ended_ - from.ended) * 1e9 / static_cast<double>(time);
  };
  if (finished_) return over(samples_.front(), *finished_);
  const Time half = begin_ + (now - begin_) / 2;
  const auto next = std::upper_bound(samples_.begin(), samples_.end(), half,
                                     [](Time when, const Sample& sample) { return when < sample.when; });
  const Sample& from = next == samples_.begin() ? *next : *std::prev(next);
  return over(ended_ - from.ended < kEnough ? samples_.front() : from, now);
}

std::optional<Time> Progress::left(Time now) const {
  if (finished_ || open_ || ended_ == 0) return std::nullopt;
  const double per_second = rate(now);
  if (per_second <= 0 || ended() > total_) return std::nullopt;
  const double seconds = static_cast<double>(total_ - ended()) / per_second;
  constexpr double longest = 1e9;
  return static_cast<Time>(std::min(seconds, longest) * 1e9);
}

std::string time_text(Time time) {
  const long long seconds = std::max<Time>(time, 0) / kSecond;
  std::array<char, 48> text{};
  if (seconds >= 86'400) {
    std::snprintf(text.data(), text.size(), "%lldd %02lldh", seconds / 86'400, seconds / 3600 % 24);
  } else if (seconds >= 3600) {
    std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%02lld:%02lld", seconds / 60, seconds % 60);
  }
  return text.data();
}

std::string rate_text(double rate) {
  if (rate <= 0) return "-/s";
  if (rate < 1) {
    const double each = 1 / rate;
    if (each < 120) return formatted("%.3g s each", each);
    return time_text(static_cast<Time>(std::min(each, 1e9) * 1e9)) + " each";
  }
  if (rate >= 1e6) return formatted("%.3gM/s", rate / 1e6);
  if (rate >= 1e4) return formatted("%.3gk/s", rate / 1e3);
  return formatted(rate >= 100 ? "%.0f/s" : "%.1f/s", rate);
}

std::string bar_line(const Progress& progress, Time now, std::size_t columns, bool utf8) {
  const auto total = progress.total();
  const std::string label = cut_to_width(progress.label(), std::max<std::size_t>(columns / 3, 1), utf8);
  const std::string name = label.empty() ? "" : label + (total ? " " : ": ");
  const std::string part = total ? formatted("%3.0f%%", percent_of(progress)) : "";
  const std::string count = std::to_string(progress.ended()) + (total ? "/" + std::to_string(*total) : std::string());
  std::string times = time_text(progress.gone(now));
  if (!progress.finished() && total) {
    const auto left = progress.left(now);
    times += "<" + (left ? time_text(*left) : std::string("?"));
  }
  const std::string rate = rate_text(progress.rate(now));
  const std::string rest_text = rest_of(progress);

  const std::string all = " " + count + " [" + times + ", " + rate + rest_text + "]";
  const std::size_t without_bar = text_width(name + part + all);
  if (total && without_bar + 2 + kShortestBar <= columns) {
    const std::size_t room = std::min(columns - without_bar - 2, kLongestBar);
    return name + part + "|" + bar(part_of(progress), room, utf8) + "|" + all;
  }
  const std::string gap = total ? " " : "";
  for (const std::string& rest : {gap + count + " [" + times + ", " + rate + rest_text + "]",
                                  gap + count + " [" + times + rest_text + "]", gap + count + rest_text, gap + count}) {
    if (text_width(name + part + rest) <= columns) return name + part + rest;
  }
  return cut_to_width(total ? part : count, columns, utf8);
}

std::string log_line(const Progress& progress, Time now) {
  const auto total = progress.total();
  std::string line = cut_to_width(progress.label(), kLongestLabel);
  if (!line.empty()) line += ": ";
  if (total) {
    line += std::to_string(percent_of(progress)) + " % (" + std::to_string(progress.ended()) + " of " +
            std::to_string(*total) + ")";
  } else {
    line += std::to_string(progress.ended()) + " done";
  }
  line += ", " + rate_text(progress.rate(now)) + ", " + time_text(progress.gone(now)) + " gone";
  if (const auto left = progress.left(now)) line += ", " + time_text(*left) + " left";
  return line + rest_of(progress);
}

void LogPace::printed(Time now) {
  ++lines_;
  // A twentieth later than the last one; long maps have 200 lines only if they last for years.
  const double factor = lines_ < 110 ? 0.05 : lines_ < 150 ? 0.2 : 1.0;
  const auto later = static_cast<Time>(static_cast<double>(now - begin_) * factor);
  next_ = now + std::max(kFirst, later);
}

}  // namespace rankpool::watch
