#include "launch/pmix.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>

namespace rankpool::launch {
namespace {

/// How long the launcher may take to answer a keeper.
constexpr std::chrono::seconds kPatience{5};

void* open_library() {
  for (const char* name : {"libpmix.so.2", "libpmix.so"}) {
    if (void* const library = ::dlopen(name, RTLD_NOW)) return library;
  }
  return nullptr;
}

template <class Function>
Function find(void* library, const char* name) {
  return library == nullptr ? nullptr : reinterpret_cast<Function>(::dlsym(library, name));
}

using Init = int (*)(void*, void*, std::size_t);
using Finalize = int (*)(void*, std::size_t);
using Told = void (*)(int, void*);
using NotifyEvent = int (*)(int, const void*, std::uint8_t, const void*, std::size_t, Told, void*);

/// The event that Open MPI 5 makes of a connection to another rank that was closed or reset.
constexpr int kRankLost = -200;  // PMIX_ERR_PROC_TERM_WO_SYNC

}  // namespace

std::string pmix_trouble() {
  void* const library = open_library();
  if (library == nullptr) return "libpmix cannot be loaded";
  if (find<Init>(library, "PMIx_Init") == nullptr || find<Finalize>(library, "PMIx_Finalize") == nullptr) {
    return "libpmix lacks PMIx_Init or PMIx_Finalize";
  }
  return "";
}

std::vector<int> stream_sockets() {
  std::vector<int> sockets;
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return sockets;
  while (const dirent* const entry = ::readdir(folder)) {
    const int fd = ::atoi(entry->d_name);
    int type = 0;
    socklen_t size = sizeof type;
    if (fd < 3 || ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) continue;
    sockaddr_storage peer{};
    size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0) sockets.push_back(fd);
  }
  ::closedir(folder);
  return sockets;
}

void leave_by_pmix() noexcept {
  const auto finalize = find<Finalize>(open_library(), "PMIx_Finalize");
  if (finalize == nullptr) return;
  // PMIx counts how often it was initialised: MPI and its runtime each did.
  for (int i = 0; i < 8 && finalize(nullptr, 0) == 0; ++i) {
  }
}

bool finalize_for_dead_rank() noexcept {
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // PMIx says things on stderr that concern nobody.
    const int null = ::open("/dev/null", O_WRONLY);
    ::dup2(null, STDERR_FILENO);
    void* const library = open_library();
    const auto init = find<Init>(library, "PMIx_Init");
    const auto finalize = find<Finalize>(library, "PMIx_Finalize");
    if (init == nullptr || finalize == nullptr) ::_exit(1);
    std::array<char, 1024> process{};  // a pmix_proc_t, with room to spare
    if (init(process.data(), nullptr, 0) != 0) ::_exit(2);
    ::_exit(finalize(nullptr, 0) == 0 ? 0 : 3);
  }
  const auto until = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (true) {
    const pid_t got = ::waitpid(child, &status, WNOHANG);
    if (got == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (got < 0 && errno != EINTR) return false;
    if (std::chrono::steady_clock::now() > until) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return false;
    }
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace rankpool::launch

/// Stands before libpmix's own function of this name, which Open MPI 5 calls in a survivor to tell the launcher of a
/// lost rank. That is to stay between us: Slurm's plugin would end the whole step for it. Everything else is passed on.
extern "C" __attribute__((visibility("default"))) int PMIx_Notify_event(int status, const void* source,
                                                                        std::uint8_t range, const void* info,
                                                                        std::size_t infos, rankpool::launch::Told told,
                                                                        void* data) {
  using namespace rankpool::launch;
  constexpr int kDone = -157;        // PMIX_OPERATION_SUCCEEDED: `told` will not be called
  constexpr int kUnsupported = -47;  // PMIX_ERR_NOT_SUPPORTED
  if (status == kRankLost) return kDone;
  const auto notify = find<NotifyEvent>(RTLD_NEXT, "PMIx_Notify_event");
  return notify == nullptr ? kUnsupported : notify(status, source, range, info, infos, told, data);
}
