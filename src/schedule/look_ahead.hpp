#pragma once

#include "base/pace.hpp"
#include "schedule/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rankpool::schedule {

/// Who says how large a chunk is.
enum class ChunkSize : std::uint8_t {
  given,    ///< the caller
  joined,   ///< the caller, but several may go together
  adapted,  ///< the library, so that it lasts long enough
};

/// How many chunks a worker may hold beyond the one it works on.
///
/// Handing ahead hides the round trip, but what was handed ahead can no longer be cancelled and is stuck behind what is
/// running, while another worker may fall idle. So:
///
///     mean chunk     handed ahead at most
///     unknown        0
///     >= 10 ms       0 (a round trip is nothing to it)
///     >= 2 ms        1
///     shorter        2; more of a size that the caller chose, until all that are ahead last 100 µs together, which
///                    covers a slow round trip
///
/// That begins with none at a worker that was idle, until it is through with its first, and grows with each short
/// chunk, so that a long task after a few short ones does not find a crowd behind it.
///
/// Many that are ahead travel together, in three lots: one that the worker is at, one that it has, one on its way. To
/// the worker a lot is one chunk, so that rank 0's work for a chunk is done once for all of them. Lots are made to last
/// 300 µs each: with more than one worker to a core, and rank 0 among them, each hand-over costs turns on the cores.
/// The contract allows no more: all that are ahead last under 1 ms together.
class LookAhead {
 public:
  /// With the one that is running a worker holds so many lots, or single chunks, at most.
  static constexpr std::size_t kMostHeld = 64;

  /// A worker is through with `chunks` of them, handed over together. A slow one counts in full at once; short ones are
  /// believed little by little, unless they were more than ever before: what the first ones take is not of the task.
  void measured(Nanoseconds busy, std::uint32_t chunks) noexcept {
    if (chunks < largest_ / 8 && busy < pace::kTelling) return;
    const Nanoseconds each = std::max(busy, Nanoseconds{0}) / std::max(chunks, 1U);
    const bool telling = !known_ || each > mean_ || chunks >= 2 * largest_;
    mean_ = telling ? each : mean_ - (mean_ - each + Nanoseconds{7}) / 8;
    largest_ = std::max(largest_, chunks);
    window_ = std::min(window_ + std::min(chunks, kLargestWindow) * kGrowth, kLargestWindow);
    known_ = true;
  }
  /// Nothing waits any more: what comes next may be unlike it.
  void ran_dry() noexcept { window_ = largest_ = kFirstWindow; }
  /// Chunks for one lot, where lots are allowed at all.
  [[nodiscard]] std::uint32_t lot(std::size_t workers) const noexcept {
    return static_cast<std::uint32_t>(std::max<std::size_t>((ahead(workers, true) + 1) / kLots, 1));
  }
  /// Lots, or single chunks, that may wait at a worker behind the one that it is at.
  [[nodiscard]] std::size_t allowed(std::size_t workers, ChunkSize size) const noexcept {
    const std::size_t chunks = ahead(workers, size == ChunkSize::joined);
    if (size == ChunkSize::adapted) return std::min(chunks, kAtLeast);
    return size == ChunkSize::joined && chunks + 1 >= 2 * kLots ? kLots - 1 : std::min(chunks, kMostHeld - 1);
  }
  /// Lots are shorter than they should be, since few chunks were measured.
  [[nodiscard]] bool growing() const noexcept {
    return known_ && static_cast<std::int64_t>(window_) < pace::kAheadInBatches / std::max(mean_, Nanoseconds{1});
  }
  /// Handing ahead begins only when more chunks than this wait: until then each may be the one that an idle worker
  /// will lack, and tasks that wait for each other must not end up on one worker.
  [[nodiscard]] std::size_t reserve(std::size_t workers) const noexcept {
    return mean_ >= pace::kTogetherUpTo ? 4 * workers : workers;
  }

 private:
  [[nodiscard]] std::size_t ahead(std::size_t workers, bool lots) const noexcept {
    if (!known_ || mean_ >= pace::kLong) return 0;
    if (mean_ >= pace::kTwoAheadUpTo) return 1;
    const auto wait = lots ? 1 : pace::kRankZeroForTask.count() * static_cast<std::int64_t>(workers);
    const auto enough =
        (lots ? pace::kAheadInBatches : pace::kAhead).count() / std::max<std::int64_t>({mean_.count(), wait, 1});
    return std::min<std::size_t>(window_, std::max(static_cast<std::size_t>(enough), kAtLeast));
  }

  static constexpr std::size_t kAtLeast = 2;
  static constexpr std::size_t kLots = 3;
  static constexpr std::uint32_t kFirstWindow = 1;
  static constexpr std::uint32_t kLargestWindow = 1U << 20U;
  static constexpr std::uint32_t kGrowth = 3;
  Nanoseconds mean_{0};
  std::uint32_t window_ = kFirstWindow;   ///< no more than these ahead
  std::uint32_t largest_ = kFirstWindow;  ///< lot that was measured
  bool known_ = false;
};

}  // namespace rankpool::schedule
