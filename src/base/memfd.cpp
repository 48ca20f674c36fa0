#include "base/memfd.hpp"

#include <pthread.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace rankpool::base {

bool is_memfd(int fd, const std::string& name) {
  std::array<char, 128> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  return ::readlink(link.c_str(), target.data(), target.size() - 1) > 0 &&
         std::string(target.data()) == "/memfd:" + name + " (deleted)";
}

void resize(int fd, std::size_t size) {
  sigset_t only;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&only);
  sigaddset(&only, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &only, &before);
  ::sigpending(&pending);
  const int error = ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
  if (error == EFBIG && sigismember(&pending, SIGXFSZ) == 0) {
    const timespec at_once{};
    ::sigtimedwait(&only, nullptr, &at_once);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) throw std::system_error(error, std::generic_category(), "shared memory");
}

}  // namespace rankpool::base
