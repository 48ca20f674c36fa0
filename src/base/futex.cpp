#include "base/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <climits>
#include <ctime>

namespace rankpool::base {
namespace {

int operation(int of_any_process, FutexOf of) noexcept {
  return of == FutexOf::this_process ? of_any_process | FUTEX_PRIVATE_FLAG : of_any_process;
}

}  // namespace

void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t seen,
              const std::optional<std::chrono::steady_clock::time_point>& until, FutexOf of) noexcept {
  timespec time{};
  if (until) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(until->time_since_epoch());
    time = {whole.count(), (until->time_since_epoch() - whole).count()};
  }
  // With FUTEX_WAIT_BITSET the time is absolute, on the monotonic clock.
  ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), operation(FUTEX_WAIT_BITSET, of), seen,
            until ? &time : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
}

void wake_all_on(const std::atomic<std::uint32_t>& word, FutexOf of) noexcept {
  ::syscall(SYS_futex, reinterpret_cast<const std::uint32_t*>(&word), operation(FUTEX_WAKE, of), INT_MAX, nullptr,
            nullptr, 0);
}

}  // namespace rankpool::base
