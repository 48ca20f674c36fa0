#pragma once

#include "schedule/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rankpool::schedule {

/// How many chunks a worker may hold beyond the one it works on.
///
/// Handing ahead hides the round trip, but what was handed ahead can no longer be cancelled and is stuck behind what is
/// running, while another worker may fall idle. So:
///
///     mean chunk     handed ahead at most
///     unknown        0
///     >= 10 ms       0 (a round trip is nothing to it)
///     >= 5 ms        1
///     shorter        2; more, until all that are ahead last 100 µs together, which covers a slow round trip
///
/// (the contract would allow more while they last under 1 ms), and a worker that was idle begins at 1 and earns one
/// more with each short chunk, so that a long task after many short ones does not find a crowd behind it.
///
/// Many that are ahead travel together, in three lots: one that the worker is at, one that it has, one on its way. To
/// the worker a lot is one chunk, so that rank 0's work for a chunk is done once for all of them.
class LookAhead {
 public:
  static constexpr std::uint8_t kFirstWindow = 1;
  /// With the one that is running a worker holds so many lots, or single chunks, at most; of chunks in lots a few more
  /// than the largest window.
  static constexpr std::uint8_t kMostHeld = 64;
  static constexpr std::uint8_t kLargestWindow = 255;

  /// The chunks of a lot have taken so long each. A slow one counts in full at once; short ones are believed little by
  /// little.
  void measured(Nanoseconds busy) noexcept {
    busy = std::max(busy, Nanoseconds{0});
    mean_ = known_ && busy < mean_ ? mean_ - (mean_ - busy + Nanoseconds{7}) / 8 : busy;
    known_ = true;
  }
  /// A worker's window after a lot that took so long; `more`: others wait, for it or for any worker.
  [[nodiscard]] static std::uint8_t window_after(std::uint8_t window, Nanoseconds busy, std::uint32_t chunks,
                                                 bool more) noexcept {
    if (busy >= kPaired || !more) return kFirstWindow;
    if (busy >= kTogether) return kFirstWindow + 1;
    return static_cast<std::uint8_t>(std::min<std::uint32_t>(window + chunks, kLargestWindow));
  }
  /// Chunks for one lot, where lots are allowed at all.
  [[nodiscard]] std::uint32_t lot(std::uint8_t window, std::size_t workers) const noexcept {
    return static_cast<std::uint32_t>(std::max<std::size_t>((ahead(window, workers, true) + 1) / kLots, 1));
  }
  /// Lots, or single chunks, that may wait at a worker behind the one that it is at.
  [[nodiscard]] std::size_t allowed(std::uint8_t window, std::size_t workers, bool lots) const noexcept {
    const std::size_t chunks = ahead(window, workers, lots);
    return lots && chunks + 1 >= 2 * kLots ? kLots - 1 : std::min<std::size_t>(chunks, kMostHeld - 1);
  }
  /// Handing ahead begins only when more chunks than this wait: until then each may be the one that an idle worker
  /// will lack, and tasks that wait for each other must not end up on one worker.
  [[nodiscard]] std::size_t reserve(std::size_t workers) const noexcept {
    return mean_ >= kTogether ? 4 * workers : workers;
  }

 private:
  [[nodiscard]] std::size_t ahead(std::uint8_t window, std::size_t workers, bool lots) const noexcept {
    if (!known_ || mean_ >= kLong) return 0;
    if (mean_ >= kPaired) return 1;
    const auto wait = lots ? 1 : kRankZero.count() * static_cast<std::int64_t>(workers);
    const auto enough = kCovered.count() / std::max<std::int64_t>({mean_.count(), wait, 1});
    return std::min<std::size_t>(window, static_cast<std::size_t>(std::max<std::int64_t>(enough, 2)));
  }

  static constexpr std::size_t kLots = 3;
  static constexpr Nanoseconds kTogether{1'000'000};
  /// Up to here a worker that holds two more tells of two at a time (process/worker.cpp), which halves the wake-ups.
  static constexpr Nanoseconds kPaired{5'000'000};
  static constexpr Nanoseconds kCovered{100'000};
  /// Rank 0 needs about so long for each task that goes alone: with many workers none gets its tasks faster than that
  /// times their number.
  static constexpr Nanoseconds kRankZero{200};
  static constexpr Nanoseconds kLong{10'000'000};
  Nanoseconds mean_{0};
  bool known_ = false;
};

}  // namespace rankpool::schedule
