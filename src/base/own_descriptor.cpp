#include "base/own_descriptor.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>

namespace rankpool::base {
namespace {

/// The table of descriptors grows with the highest number, by 8 bytes each in the kernel.
constexpr rlim_t kHighest = 1024;
/// As many as one process of the library has open for long, and some more.
constexpr rlim_t kRoom = 64;

}  // namespace

int to_high_number(int fd) noexcept {
  rlimit limit{};
  if (fd < 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fd;
  const rlim_t end = std::min(limit.rlim_cur, kHighest);
  if (end < 2 * kRoom) return fd;
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(end - kRoom));
  if (moved < 0) return fd;
  ::close(fd);
  return moved;
}

DescriptorIdentity::DescriptorIdentity(int fd) noexcept {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return;
  known_ = true;
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
}

bool DescriptorIdentity::is(int fd) const noexcept {
  struct stat facts {};
  return known_ && ::fstat(fd, &facts) == 0 && facts.st_dev == device_ && facts.st_ino == inode_;
}

}  // namespace rankpool::base
