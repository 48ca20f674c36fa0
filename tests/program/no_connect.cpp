// To be preloaded into a rank: what the program itself connects to over a network cannot be reached. MPI and the
// launcher can.
#include <dlfcn.h>
#include <sys/socket.h>
#include <cerrno>
#include <string_view>

extern "C" __attribute__((visibility("default"))) int connect(int fd, const sockaddr* address, socklen_t size) {
  using Connect = int (*)(int, const sockaddr*, socklen_t);
  static const auto real = reinterpret_cast<Connect>(::dlsym(RTLD_NEXT, "connect"));
  Dl_info caller{};
  const bool known = ::dladdr(__builtin_return_address(0), &caller) != 0 && caller.dli_fname != nullptr;
  if (known && address->sa_family != AF_UNIX &&
      std::string_view(caller.dli_fname).find(".so") == std::string_view::npos) {
    errno = EHOSTUNREACH;
    return -1;
  }
  return real(fd, address, size);
}
