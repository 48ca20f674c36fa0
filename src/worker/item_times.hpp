#pragma once

#include "base/pace.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace rankpool::worker {

/// When the items of a chunk ended: each, for who watches; else one that took far longer than the others, as far as the
/// clock was looked at.
class ItemTimes {
 public:
  using Clock = std::chrono::steady_clock;
  /// Of items that followed one another. Nanoseconds of the worker's own clock.
  struct Times {
    std::uint64_t first = 0;  ///< number of the first item
    std::uint64_t begin = 0;  ///< when that began
    std::span<const std::uint64_t> ends;
  };

  /// A chunk begins. `timed`: somebody watches.
  void begin(bool timed, Clock::time_point now) noexcept {
    timed_ = timed;
    last_told_ = now;
    begin_ = nanoseconds(now);
    longest_ = {};
  }
  [[nodiscard]] bool timed() const noexcept { return timed_; }
  /// The clock was looked at when `item` had ended, `since` after the last look.
  void ended(std::uint64_t item, std::chrono::nanoseconds since, Clock::time_point now) {
    if (timed_) ends_.push_back(nanoseconds(now));
    if (since > longest_) {
      longest_ = since;
      longest_item_ = item;
      longest_end_ = nanoseconds(now);
    }
  }
  /// Is it time to tell, in the midst of a chunk? `more`: it has further items.
  [[nodiscard]] bool are_due(bool more, Clock::time_point now) const noexcept {
    return timed_ && (ends_.size() >= kAtOnce || (more && now - last_told_ > pace::kTimesShownWithin));
  }
  /// Gives what was not told yet to `tell`, which takes Times; `next` is the item that has not ended.
  template <class Tell>
  void tell_rest(std::uint64_t next, Clock::time_point now, Tell&& tell) {
    if (ends_.empty()) return;
    tell(Times{next - ends_.size(), begin_, ends_});
    begin_ = ends_.back();
    ends_.clear();
    last_told_ = now;
  }
  /// The item that took far longer than the mean of its chunk, if there is one. Holds until the next call.
  [[nodiscard]] std::optional<Times> far_from_mean(std::chrono::nanoseconds busy, std::uint32_t items) const noexcept {
    if (items <= 1 || longest_ <= kWorthTelling || longest_ <= kMuchLonger * (busy / items)) return std::nullopt;
    return Times{longest_item_, longest_end_ - static_cast<std::uint64_t>(longest_.count()), {&longest_end_, 1}};
  }

 private:
  /// They are told after pace::kTimesShownWithin, or when there are so many.
  static constexpr std::size_t kAtOnce = 4096;
  /// With nobody who watches, an item is told of that took so long and so many times the mean of its chunk.
  static constexpr std::chrono::nanoseconds kWorthTelling{50'000};
  static constexpr int kMuchLonger = 4;

  static std::uint64_t nanoseconds(Clock::time_point when) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(when.time_since_epoch()).count());
  }

  bool timed_ = false;
  std::uint64_t begin_ = 0;          ///< of the first one in `ends_`
  std::vector<std::uint64_t> ends_;  ///< not told yet
  Clock::time_point last_told_{};
  std::chrono::nanoseconds longest_{0};
  std::uint64_t longest_item_ = 0;
  std::uint64_t longest_end_ = 0;
};

}  // namespace rankpool::worker
