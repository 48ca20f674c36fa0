#pragma once

#include "base/pace.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace rankpool::base {

/// Wakes a loop that sleeps in poll(2) when it is time to. Poll's own time-out would be set and taken back with each
/// sleep, which costs as much as the rest of a wake-up where each change of the timer ends in the hypervisor. This one
/// stays as it is over many sleeps, and may wake for nothing instead. One thread, unless a member says otherwise.
class Alarm {
 public:
  using Clock = std::chrono::steady_clock;

  /// Throws std::system_error.
  Alarm();
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  /// Before a sleep: to wake by then at the latest, if there is such a time.
  void set(std::optional<Clock::time_point> until);
  /// After it: `fd()` was readable.
  void rang() noexcept {
    take_ring();
    forget();
  }
  /// The first half of that, for any thread.
  void take_ring() noexcept;
  /// It has rung: it is not set any more.
  void forget() noexcept { set_.reset(); }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
  std::optional<Clock::time_point> set_;
};

/// For what is not due on the dot: as late again, by pace::kAlarmSlack at most, so that the alarm is set less often.
inline Alarm::Clock::time_point roughly(Alarm::Clock::time_point until, Alarm::Clock::time_point now) {
  const auto left = until - now;
  return left > Alarm::Clock::duration::zero() ? until + std::min<Alarm::Clock::duration>(left, pace::kAlarmSlack)
                                               : until;
}

}  // namespace rankpool::base
