#pragma once

#include <chrono>
#include <optional>

namespace rankpool::inline v0_2 {

/// How long a call may wait: any `std::chrono::duration`, or nothing for as long as it takes.
///
/// At or below zero it polls; a duration too large for the clock is none, and so is one that is not a number.
/// Python's counterpart is `timeout=None`, or seconds.
class Timeout {
 public:
  using Clock = std::chrono::steady_clock;

  constexpr Timeout() noexcept = default;
  constexpr Timeout(std::nullopt_t) noexcept {}  // NOLINT(google-explicit-constructor)

  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> length) noexcept {  // NOLINT(google-explicit-constructor)
    const auto seconds = std::chrono::duration_cast<std::chrono::duration<long double>>(length).count();
    constexpr long double too_long = 3.0e9L;  // about a hundred years
    if (!(seconds < too_long)) return;        // "not a number" ends here too
    length_ = seconds <= 0 ? Clock::duration::zero() : std::chrono::ceil<Clock::duration>(length);
  }

  /// True if a limit is set.
  [[nodiscard]] constexpr bool has_value() const noexcept { return length_.has_value(); }
  /// The limit; there must be one.
  [[nodiscard]] constexpr Clock::duration value() const { return *length_; }
  /// When a wait that begins now has to end, or nothing.
  [[nodiscard]] std::optional<Clock::time_point> deadline() const {
    if (!length_) return std::nullopt;
    return Clock::now() + *length_;
  }

 private:
  std::optional<Clock::duration> length_;
};

}  // namespace rankpool::inline v0_2
