#include "base/alarm.hpp"

#include "base/own_descriptor.hpp"

#include <sys/timerfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace rankpool::base {

Alarm::Alarm() : fd_(to_high_number(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK))) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
}

Alarm::~Alarm() { ::close(fd_); }

void Alarm::set(std::optional<Clock::time_point> until) {
  if (!until || (set_ && *set_ <= *until)) return;
  // Zero would switch it off.
  const auto at = std::max(until->time_since_epoch(), Clock::duration(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  itimerspec time{};
  time.it_value = {seconds.count(), std::chrono::nanoseconds(at - seconds).count()};
  ::timerfd_settime(fd_, TFD_TIMER_ABSTIME, &time, nullptr);
  set_ = until;
}

void Alarm::take_ring() noexcept {
  std::uint64_t times = 0;
  [[maybe_unused]] const auto got = ::read(fd_, &times, sizeof times);
}

}  // namespace rankpool::base
