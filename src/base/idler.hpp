#pragma once

#include <sched.h>
#include <algorithm>
#include <chrono>

namespace rankpool::base {

/// How a loop that has found nothing to do spends its time: it spins for a while, since what comes soon comes sooner to
/// one who looks than to a sleeper who has to be woken, and then sleeps. One thread.
///
/// Spinning that was in vain is paid for out of a budget, a small part of the time that goes by; when that is used up,
/// it sleeps at once. So round trips of some ten microseconds are spun through however many follow each other, long
/// tasks are waited for asleep, and a loop that was asleep finds out soon when the gaps have become short.
/// It yields from the start: the core may be a worker's.
class Idler {
 public:
  using Clock = std::chrono::steady_clock;

  /// There was work.
  void worked() noexcept { looking_ = false; }
  /// There was none. True: look again; false: sleep.
  bool look_again(Clock::time_point now) noexcept {
    if (!looking_) {
      looking_ = true;
      since_ = now;
      budget_ = std::min(budget_ + (now - paid_) / kPart, kMost);
      paid_ = now;
      patience_ = budget_ >= kSpin ? kSpin : kGlance;
    }
    if (now - since_ > patience_) {
      if (patience_ == kSpin) budget_ -= kSpin;
      patience_ = std::chrono::nanoseconds(0);  // whoever wakes up for nothing sleeps on
      return false;
    }
    ::sched_yield();
    return true;
  }

 private:
  static constexpr std::chrono::nanoseconds kSpin = std::chrono::microseconds(50);
  static constexpr std::chrono::nanoseconds kGlance = std::chrono::microseconds(2);
  static constexpr std::chrono::nanoseconds kMost = 8 * kSpin;
  static constexpr int kPart = 32;

  bool looking_ = false;
  Clock::time_point since_{};
  Clock::time_point paid_ = Clock::now();
  std::chrono::nanoseconds patience_{0};
  std::chrono::nanoseconds budget_ = kMost;
};

}  // namespace rankpool::base
