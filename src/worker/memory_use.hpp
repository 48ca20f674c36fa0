#pragma once

#include "base/pace.hpp"
#include "wire/frame_headers.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace rankpool::worker {

/// What /proc/self/status says of memory; none if it says nothing.
[[nodiscard]] std::optional<wire::MemoryHeader> memory_in_status(std::string_view status) noexcept;
/// Of this process: tens of microseconds.
[[nodiscard]] std::optional<wire::MemoryHeader> memory_of_this_process();

/// When a worker tells how much memory it has: at the ends of items, for who watches.
class MemoryUse {
 public:
  using Clock = std::chrono::steady_clock;

  /// A chunk begins. `told`: somebody watches.
  void begin(bool told) noexcept { told_ = told; }
  /// Is it time to tell? If so, it is taken as told.
  [[nodiscard]] bool is_due(Clock::time_point now) noexcept {
    if (!told_ || (last_ && now - *last_ < pace::kMemoryToldEvery)) return false;
    last_ = now;
    return true;
  }

 private:
  bool told_ = false;
  std::optional<Clock::time_point> last_;
};

}  // namespace rankpool::worker
