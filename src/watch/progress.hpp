#pragma once

#include "watch/event.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::watch {

/// How far one map is, and how long it may still take. Pure: the caller tells the time.
///
/// Time left is the number of items left over the rate of the last half of the time; of the whole time as long as fewer
/// than 10 items have ended in that half. So it follows tasks that become longer or shorter, with even tasks it is
/// right to the rate's own noise, and it does not jump with each item.
class Progress {
 public:
  Progress(std::string label, Time begin);

  void set_label(std::string label);
  void add_items(std::uint64_t more) noexcept { total_ += more; }
  /// More may be added; the number is not known yet.
  void set_open(bool open) noexcept { open_ = open; }
  void set_total(std::optional<std::uint64_t> total) noexcept {
    open_ = !total;
    total_ = total.value_or(0);
  }
  /// They need not be done: they have ended, and do not count in the rate.
  void skip(std::uint64_t count) noexcept { skipped_ += count; }
  /// Shown behind the rate.
  void set_note(const std::string& note);
  void ended(Outcome outcome, std::uint64_t count, Time now);
  void cancelled(std::uint64_t count, Time now);
  void retried(std::uint64_t count = 1) noexcept { retried_ += count; }
  void finish(Time now);

  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  [[nodiscard]] Time begin() const noexcept { return begin_; }
  [[nodiscard]] std::optional<std::uint64_t> total() const noexcept {
    return open_ ? std::nullopt : std::optional<std::uint64_t>(total_);
  }
  /// Items that have ended, one way or another.
  [[nodiscard]] std::uint64_t ended() const noexcept { return ended_ + skipped_; }
  [[nodiscard]] std::uint64_t failed() const noexcept { return failed_; }
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  [[nodiscard]] std::uint64_t retried() const noexcept { return retried_; }
  [[nodiscard]] std::uint64_t cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] const std::string& note() const noexcept { return note_; }
  [[nodiscard]] bool finished() const noexcept { return finished_.has_value(); }
  [[nodiscard]] Time gone(Time now) const noexcept { return finished_.value_or(now) - begin_; }
  /// Items a second over the last half of the time, or all of it once finished.
  [[nodiscard]] double rate(Time now) const;
  /// Nothing as long as it cannot be known.
  [[nodiscard]] std::optional<Time> left(Time now) const;

 private:
  struct Sample {
    Time when;
    std::uint64_t ended;
  };
  void note(Time now);

  std::string label_;
  std::string note_;
  Time begin_;
  std::uint64_t total_ = 0;
  std::uint64_t ended_ = 0;  ///< but for the skipped ones
  std::uint64_t skipped_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t retried_ = 0;
  std::uint64_t cancelled_ = 0;
  bool open_ = false;
  std::optional<Time> finished_;
  std::vector<Sample> samples_;  ///< a hundred or so, evenly spread over the time
  Time sample_every_ = kMillisecond;
};

/// "45 %", "00:12", "1:02:03", "36.1/s", "4.20 s each".
[[nodiscard]] std::string time_text(Time time);
[[nodiscard]] std::string rate_text(double rate);

/// One line for a terminal of so many columns: what has no room is left out, the bar first.
///
///     fits  45%|████▌     | 450/1000 [00:12<00:14, 36.1/s, 2 failed]
[[nodiscard]] std::string bar_line(const Progress& progress, Time now, std::size_t columns, bool utf8);
/// One line for a file, without control characters.
///
///     fits: 45 % (450 of 1000), 36.1/s, 00:12 gone, 00:14 left, 2 failed
[[nodiscard]] std::string log_line(const Progress& progress, Time now);

/// When a log gets its next line: after 10 s, every 10 s at first, and ever rarer, so that no map has more than 200
/// however long it lasts.
class LogPace {
 public:
  explicit LogPace(Time begin) : begin_(begin), next_(begin + kFirst) {}
  [[nodiscard]] Time next() const noexcept { return next_; }
  void printed(Time now);

 private:
  static constexpr Time kFirst = 10 * kSecond;
  Time begin_;
  Time next_;
  int lines_ = 0;
};

}  // namespace rankpool::watch
