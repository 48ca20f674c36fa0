#include "group/member.hpp"

#include "group/environment.hpp"
#include "wire/group.hpp"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cstdlib>

namespace rankpool::group {
namespace {

/// libpmix sends several small messages in a row when MPI is finalised, and leaves Nagle's algorithm on: 42 ms.
void send_without_delay() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return;
  while (const dirent* const entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (fd < 3 || ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
    const int on = 1;
    if (peer.ss_family == AF_INET || peer.ss_family == AF_INET6) {
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
  }
  ::closedir(folder);
}

}  // namespace

void join_group(std::span<const std::byte> environment) {
  for (const auto& variables : wire::decode_environments(environment)) set_environment(variables);
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  // As Boost.MPI's environment does: errors become exceptions.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  send_without_delay();
}

void leave_group() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0) MPI_Finalize();
}

}  // namespace rankpool::group
