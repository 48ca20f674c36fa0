#include "base/memfd.hpp"

#include <unistd.h>
#include <array>

namespace rankpool::base {

bool is_memfd(int fd, const std::string& name) {
  std::array<char, 128> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  return ::readlink(link.c_str(), target.data(), target.size() - 1) > 0 &&
         std::string(target.data()) == "/memfd:" + name + " (deleted)";
}

}  // namespace rankpool::base
