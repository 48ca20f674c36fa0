#include "process/channel.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <new>
#include <system_error>
#include <utility>

namespace rankpool::process {
namespace {

constexpr std::size_t kControl = 4096;
static_assert(sizeof(Channel::Control) <= kControl);

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

std::byte* map_twice(int fd, off_t offset) {
  void* const room = ::mmap(nullptr, 2 * Channel::kRing, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) fail("mmap");
  auto* const begin = static_cast<std::byte*>(room);
  for (int i = 0; i < 2; ++i) {
    if (::mmap(begin + static_cast<std::size_t>(i) * Channel::kRing, Channel::kRing, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
      ::munmap(room, 2 * Channel::kRing);
      fail("mmap");
    }
  }
  return begin;
}

}  // namespace

Channel::Channel() : fd_(::memfd_create("rankpool channel", MFD_CLOEXEC)) {
  if (fd_ < 0) fail("memfd_create");
  try {
    if (::ftruncate(fd_, kControl + 2 * kRing) != 0) fail("ftruncate");
    map();
    new (control_) Control;
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Channel::Channel(int fd) : fd_(fd) { map(); }

Channel::Channel(Channel&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      control_(std::exchange(other.control_, nullptr)),
      in_(std::exchange(other.in_, nullptr)),
      out_(std::exchange(other.out_, nullptr)) {}

Channel::~Channel() {
  if (control_ != nullptr) ::munmap(control_, kControl);
  if (in_ != nullptr) ::munmap(in_, 2 * kRing);
  if (out_ != nullptr) ::munmap(out_, 2 * kRing);
  close_descriptor();
}

void Channel::close_descriptor() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Channel::map() {
  void* const control = ::mmap(nullptr, kControl, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (control == MAP_FAILED) fail("mmap");
  control_ = static_cast<Control*>(control);
  in_ = map_twice(fd_, kControl);
  out_ = map_twice(fd_, static_cast<off_t>(kControl + kRing));
}

void Channel::wait_for_bell(std::uint32_t seen) noexcept {
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&control_->bell), FUTEX_WAIT, seen, nullptr, nullptr, 0);
}

void Channel::ring_bell() noexcept {
  control_->bell.fetch_add(1, std::memory_order_seq_cst);
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&control_->bell), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace rankpool::process
