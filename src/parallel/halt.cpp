#include "parallel/halt.hpp"

#include <algorithm>
#include <cmath>

namespace rankpool::parallel {

void Tally::ended(int status, std::optional<std::uint64_t> total) {
  ++done_;
  if (status != 0) {
    ++failed_;
    last_failure_ = status;
  }
  if (halt_.when == Halt::When::never || halted_ != Halt::When::never) return;
  const std::uint64_t count = halt_.what == Halt::What::fail      ? failed_
                              : halt_.what == Halt::What::success ? done_ - failed_
                                                                  : done_;
  if (halt_.percent) {
    // GNU parallel waits for three before it takes a part for the whole.
    constexpr std::uint64_t kFewest = 3;
    if (done_ < kFewest || !total || *total == 0) return;
    const auto whole = static_cast<double>(*total);
    if (static_cast<double>(count) * 100 < halt_.count * whole) return;
    percent_ = static_cast<int>(std::ceil(100 * static_cast<double>(failed_) / whole));
  } else if (static_cast<double>(count) < halt_.count) {
    return;
  }
  halted_ = halt_.when;
}

int Tally::exit_status() const {
  const auto number = static_cast<int>(std::min<std::uint64_t>(failed_, 101));
  if (halted_ == Halt::When::never) return number;
  if (halt_.what == Halt::What::success) return 0;
  if (halt_.percent) return percent_;
  if (halt_.what == Halt::What::done || halt_.count > 1) return number;
  return last_failure_ & 255;
}

}  // namespace rankpool::parallel
