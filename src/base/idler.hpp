#pragma once

#include "base/pace.hpp"

#include <sched.h>
#include <algorithm>
#include <chrono>

namespace rankpool::base {

/// How a loop that has found nothing to do spends its time: it spins for a while, since what comes soon comes sooner to
/// one who looks than to a sleeper who has to be woken, and then sleeps. One thread.
///
/// Spinning pays where the next thing comes within a few wake-ups' time. While it does, the loop spins through all
/// gaps. Spinning in vain is paid for out of a budget, a small part of the time that goes by. It is tried again after
/// some short gaps in a row, more of them the oftener these promised too much; and, since gaps are also as long as
/// sleepers make them, now and then without.
///
/// Who spins yields from the start: the core may be a worker's. Where there is but one core nothing can come from a
/// worker while another has it, so that no moment is lost by looking without yielding.
class Idler {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Idler(bool on_one_core = false) noexcept
      : glance_(on_one_core ? std::chrono::nanoseconds(0) : pace::kGlance) {}

  /// There was work at `now`.
  void worked(Clock::time_point now) noexcept {
    if (!looking_) return;
    looking_ = false;
    const auto gap = now - since_;
    if (patience_ >= pace::kSpin) {
      enough_ = std::max(enough_ - 1, kEnough);
      short_gaps_ = enough_;
    } else {
      short_gaps_ = gap < pace::kShortGap ? short_gaps_ + 1 : 0;
    }
  }
  /// There was none. True: look again; false: sleep. `crowded`: there are more processes than cores, and spinning would
  /// take one from somebody who has work. `core_to_spare()`: not every core has a worker that is at work, so that
  /// spinning on takes nothing from anybody; asked at the end of a usual spin.
  template <class Spare>
  bool look_again(Clock::time_point now, bool crowded, Spare&& core_to_spare) noexcept {
    if (!looking_) begin(now, crowded);
    if (now - since_ >= patience_ && patience_ == pace::kSpin && core_to_spare()) patience_ = pace::kLongSpin;
    if (now - since_ >= patience_) {
      if (patience_ >= pace::kSpin) {
        budget_ -= patience_;
        if (short_gaps_ >= enough_) enough_ = std::min(2 * enough_, kMostEnough);
        short_gaps_ = 0;
      }
      patience_ = std::chrono::nanoseconds(0);  // whoever wakes up for nothing sleeps on
      return false;
    }
    if (patience_ >= pace::kSpin) ::sched_yield();
    return true;
  }

 private:
  void begin(Clock::time_point now, bool crowded) noexcept {
    looking_ = true;
    since_ = now;
    budget_ = std::min(budget_ + (now - paid_) / kPart, kMost);
    paid_ = now;
    const bool spin =
        !crowded && (short_gaps_ >= enough_ || now - tried_ > pace::kTrySpinEvery) && budget_ >= pace::kSpin;
    if (spin) tried_ = now;
    patience_ = spin ? pace::kSpin : glance_;
  }

  /// The budget: one part in `kPart` of the time, and so much saved up.
  static constexpr int kPart = 64;
  static constexpr std::chrono::nanoseconds kMost = 8 * pace::kSpin;
  static constexpr unsigned kEnough = 2;
  static constexpr unsigned kMostEnough = 256;

  std::chrono::nanoseconds glance_;
  bool looking_ = false;
  unsigned enough_ = kEnough;              ///< short gaps before it spins; many if they often promise too much
  unsigned short_gaps_ = kEnough;          ///< one after the other
  Clock::time_point since_{};              ///< it has been looking
  Clock::time_point paid_ = Clock::now();  ///< up to here time has gone into the budget
  Clock::time_point tried_{};              ///< when it last began to spin
  std::chrono::nanoseconds patience_{0};   ///< how long it looks this time; `pace::kSpin` or more: it spins
  std::chrono::nanoseconds budget_ = kMost;
};

}  // namespace rankpool::base
