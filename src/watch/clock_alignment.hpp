#pragma once

#include "watch/event.hpp"

#include <cstdint>
#include <limits>
#include <optional>

namespace rankpool::watch {

/// How far another node's clock is ahead of rank 0's, reckoned from what passes between them anyway, as MPI tracers do
/// from round trips:
///
///     rank 0's clock      sent ─────────────────────────────► received
///     the node's clock            begin ────────── end
///
///     sent <= begin - offset   and   end - offset <= received,   so   end - received <= offset <= begin - sent
///
/// The tightest bounds of the last one to two minutes count, since clocks drift. Half their distance says how well the
/// offset is known.
class ClockAlignment {
 public:
  void saw(Time sent, Time begin, Time end, Time received) noexcept {
    if (received - window_began_ > kWindow) {
      before_ = now_;
      now_ = {};
      window_began_ = received;
    }
    now_.low = now_.low < end - received ? end - received : now_.low;
    now_.high = now_.high > begin - sent ? begin - sent : now_.high;
  }
  [[nodiscard]] bool known() const noexcept { return bounds().high != kNone; }
  [[nodiscard]] Time offset() const noexcept {
    const Bounds b = bounds();
    return b.high == kNone ? 0 : b.low + (b.high - b.low) / 2;
  }
  /// The offset is right to so much, either way.
  [[nodiscard]] Time uncertainty() const noexcept {
    const Bounds b = bounds();
    return b.high == kNone || b.high < b.low ? 0 : (b.high - b.low) / 2;
  }

 private:
  static constexpr Time kWindow = 60 * kSecond;
  static constexpr Time kNone = std::numeric_limits<Time>::max();
  struct Bounds {
    Time low = std::numeric_limits<Time>::min();
    Time high = kNone;
  };
  [[nodiscard]] Bounds bounds() const noexcept {
    Bounds both;
    both.low = now_.low > before_.low ? now_.low : before_.low;
    both.high = now_.high < before_.high ? now_.high : before_.high;
    // Bounds that exclude each other tell of a drift: the newer ones count.
    return both.low <= both.high ? both : now_;
  }
  Bounds now_;
  Bounds before_;
  Time window_began_ = 0;
};

}  // namespace rankpool::watch
