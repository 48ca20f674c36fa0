#pragma once

#include <sched.h>
#include <chrono>

namespace rankpool::base {

/// How a loop that has found nothing to do spends its time: spin while something was just going on, since the next
/// thing then comes sooner than a sleeper could be woken, and sleep otherwise. One thread.
///
/// Spinning pays when the gap between two events is shorter than a wake-up, about 20 µs; it costs a core that the
/// workers may want, which is why it yields from the start, and why it is given up as soon as the gaps have grown.
class Idler {
 public:
  using Clock = std::chrono::steady_clock;

  /// There was work at `now`.
  void worked(Clock::time_point now) noexcept {
    if (idle_rounds_ != 0) {
      const auto gap = now - idle_since_;
      mean_gap_ += (gap - mean_gap_) / 8;
      idle_rounds_ = 0;
    }
  }
  /// There was none. True: look again; false: sleep.
  bool look_again(Clock::time_point now) noexcept {
    if (idle_rounds_++ == 0) idle_since_ = now;
    const auto patience = mean_gap_ < kWorthSpinning ? kSpin : kGlance;
    if (now - idle_since_ > patience) return false;
    ::sched_yield();
    return true;
  }

 private:
  static constexpr std::chrono::nanoseconds kWorthSpinning = std::chrono::microseconds(40);
  static constexpr std::chrono::nanoseconds kSpin = std::chrono::microseconds(50);
  static constexpr std::chrono::nanoseconds kGlance = std::chrono::microseconds(2);

  Clock::time_point idle_since_{};
  std::chrono::nanoseconds mean_gap_{0};
  unsigned idle_rounds_ = 0;
};

}  // namespace rankpool::base
