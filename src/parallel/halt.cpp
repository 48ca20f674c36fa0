#include "parallel/halt.hpp"

#include <algorithm>
#include <cmath>

namespace rankpool::parallel {

void Tally::ended(int status, std::optional<std::uint64_t> total) {
  const bool failed = status != 0;
  ++done_;
  if (failed) ++failed_;
  if (halt_.when == Halt::When::never || halted_ != Halt::When::never) return;
  if (halt_.what != Halt::What::done && (halt_.what == Halt::What::fail) != failed) return;
  if (halt_.percent && !total) return;
  const double needed = halt_.percent ? static_cast<double>(*total) * (halt_.count / 100) : halt_.count;
  const std::uint64_t count = halt_.what == Halt::What::fail      ? failed_
                              : halt_.what == Halt::What::success ? done_ - failed_
                                                                  : done_;
  if (static_cast<double>(count) < needed) return;
  halted_ = halt_.when;
  if (halt_.what == Halt::What::success) {
    halted_status_ = 0;
  } else {
    halted_status_ = needed == 1 ? status & 255 : status_of_failed(total.value_or(done_));
  }
}

int Tally::exit_status() const { return halted_ == Halt::When::never ? status_of_failed(done_) : halted_status_; }

int Tally::status_of_failed(std::uint64_t whole) const {
  const bool in_percent = halt_.when != Halt::When::never && halt_.percent;
  if (!in_percent) return static_cast<int>(std::min<std::uint64_t>(failed_, 101));
  return whole == 0 ? 0 : static_cast<int>(std::ceil(static_cast<double>(failed_) / static_cast<double>(whole) * 100));
}

}  // namespace rankpool::parallel
