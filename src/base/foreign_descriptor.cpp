#include "base/foreign_descriptor.hpp"

#include "base/memfd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

namespace rankpool::base {
namespace {

int open_foreign(std::int64_t pid, int fd, int flags) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  return ::open(path.c_str(), flags | O_RDWR | O_CLOEXEC);
}
int refuse(int opened) {
  ::close(opened);
  errno = EBADF;
  return -1;
}

}  // namespace

std::uint64_t own_pid_space() {
  struct stat facts {};
  return ::stat("/proc/self/ns/pid", &facts) == 0 ? facts.st_ino : 0;
}

int open_foreign_memfd(std::int64_t pid, int fd, const std::string& name) {
  const int opened = open_foreign(pid, fd, 0);
  return opened < 0 || is_memfd(opened, name) ? opened : refuse(opened);
}

int open_foreign_pipe(std::int64_t pid, int fd) {
  const int opened = open_foreign(pid, fd, O_NONBLOCK);
  struct stat facts {};
  return opened < 0 || (::fstat(opened, &facts) == 0 && S_ISFIFO(facts.st_mode)) ? opened : refuse(opened);
}

}  // namespace rankpool::base
