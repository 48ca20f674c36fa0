#include "channel/channel.hpp"

#include "base/foreign_descriptor.hpp"
#include "base/futex.hpp"
#include "base/memfd.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace rankpool::channel {
namespace {

constexpr std::size_t kControl = 4096;

/// A process that the user's code forks has no place in it: what it does there by mistake ends it.
void keep_from_forks(void* begin, std::size_t size) noexcept { ::madvise(begin, size, MADV_DONTFORK); }

static_assert(sizeof(Channel::Control) <= kControl);

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

std::byte* map_twice(int fd, std::size_t offset, std::size_t size) {
  void* const room = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) fail("a channel's memory");
  auto* const begin = static_cast<std::byte*>(room);
  for (std::size_t i = 0; i < 2; ++i) {
    if (::mmap(begin + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
               static_cast<off_t>(offset)) == MAP_FAILED) {
      ::munmap(room, 2 * size);
      fail("a channel's memory");
    }
  }
  keep_from_forks(begin, 2 * size);
  return begin;
}

FutexWake strike(std::atomic<std::uint32_t>& wakeup, int core = -1) noexcept {
  wakeup.fetch_add(1, std::memory_order_seq_cst);
  return FutexWake(wakeup, core);
}

}  // namespace

void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen,
              std::optional<std::chrono::steady_clock::time_point> until) noexcept {
  base::sleep_on(word, seen, until, base::FutexOf::shared_memory);
}

void wake_on(std::atomic<std::uint32_t>& word) noexcept { strike(word).ring(); }

bool RankPage::wake_or_ring() noexcept {
  const HostSleeps sleeps = host_sleeps.exchange(HostSleeps::no, std::memory_order_seq_cst);
  if (sleeps == HostSleeps::on_futex) wake_on(host_wakeup);
  return sleeps == HostSleeps::in_poll;
}

void ring(std::span<FutexWake> wakeups) noexcept {
  if (wakeups.size() > 1) {
    std::partition(wakeups.begin(), wakeups.end(),
                   [core = ::sched_getcpu()](const FutexWake& wakeup) { return !wakeup.is_for_core(core); });
  }
  for (const FutexWake& wakeup : wakeups) wakeup.ring();
}

void FutexWake::ring() const noexcept {
  if (word_ != nullptr) base::wake_all_on(*word_, base::FutexOf::shared_memory);
}

bool Channel::on_one_core() noexcept {
  cpu_set_t cores;
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) == 1;
}

Channel::Channel() : fd_(::memfd_create(kName, MFD_CLOEXEC)) {
  if (fd_ < 0) fail("a channel's memory");
  try {
    base::resize(fd_, kControl + 2 * kRing + 2 * kSideRing);
    map();
    new (control_.get()) Control;
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Channel::Channel(int fd) : fd_(fd) { map(); }

int Channel::open_foreign(std::int64_t pid, int fd) { return base::open_foreign_memfd(pid, fd, kName); }

Channel::Channel(Channel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      control_(std::move(other.control_)),
      in_(std::exchange(other.in_, nullptr)),
      out_(std::exchange(other.out_, nullptr)),
      side_in_(std::exchange(other.side_in_, nullptr)),
      side_out_(std::exchange(other.side_out_, nullptr)) {}

Channel::~Channel() {
  if (in_ != nullptr) ::munmap(in_, 2 * kRing);
  if (out_ != nullptr) ::munmap(out_, 2 * kRing);
  if (side_in_ != nullptr) ::munmap(side_in_, 2 * kSideRing);
  if (side_out_ != nullptr) ::munmap(side_out_, 2 * kSideRing);
  close_descriptor();
}

void Channel::close_descriptor() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Channel::map() {
  void* const control = ::mmap(nullptr, kControl, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (control == MAP_FAILED) fail("a channel's memory");
  keep_from_forks(control, kControl);
  control_ = {static_cast<Control*>(control), [](Control* mapped) { ::munmap(mapped, kControl); }};
  in_ = map_twice(fd_, kControl, kRing);
  out_ = map_twice(fd_, kControl + kRing, kRing);
  side_in_ = map_twice(fd_, kControl + 2 * kRing, kSideRing);
  side_out_ = map_twice(fd_, kControl + 2 * kRing + kSideRing, kSideRing);
}

void Channel::wait_for_wakeup(std::uint32_t seen, std::optional<std::chrono::nanoseconds> limit) noexcept {
  if (!limit) return sleep_on(control_->wakeup, seen);
  sleep_on(control_->wakeup, seen, std::chrono::steady_clock::now() + *limit);
}
FutexWake Channel::take_wakeup() noexcept {
  return strike(control_->wakeup, control_->core.load(std::memory_order_relaxed));
}
void Channel::wait_for_side_wakeup(std::uint32_t seen) noexcept { sleep_on(control_->side_wakeup, seen); }
void Channel::send_side_wakeup() noexcept { strike(control_->side_wakeup).ring(); }

}  // namespace rankpool::channel
