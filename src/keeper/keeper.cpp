#include "keeper/keeper.hpp"

#include "base/log.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

namespace rankpool::keeper {
namespace {

/// How long a worker that got SIGTERM may take to end before it gets SIGKILL.
constexpr std::chrono::milliseconds kGrace{500};

/// False with EAGAIN in errno if there is no room and `flags` forbid to wait for it.
bool send_message(int socket, const KeeperMessage& message, int fd, int flags = 0) {
  iovec part{const_cast<KeeperMessage*>(&message), sizeof message};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  if (fd >= 0) {
    packet.msg_control = control.data();
    packet.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&packet);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  while (true) {
    if (::sendmsg(socket, &packet, MSG_NOSIGNAL | flags) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

enum class Received : std::uint8_t { message, nothing, end };

Received receive_message(int socket, KeeperMessage& message, int& fd) {
  fd = -1;
  iovec part{&message, sizeof message};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr packet{};
  packet.msg_iov = &part;
  packet.msg_iovlen = 1;
  packet.msg_control = control.data();
  packet.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return errno == EAGAIN ? Received::nothing : Received::end;
  if (size == 0) return Received::end;
  if (const cmsghdr* const header = CMSG_FIRSTHDR(&packet);
      header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  }
  return size == sizeof message ? Received::message : Received::end;
}

}  // namespace

KeeperLink::~KeeperLink() {
  if (control_ >= 0) ::close(control_);
  if (wake_ >= 0) ::close(wake_);
}

bool KeeperLink::send(const KeeperMessage& message, int fd) { return send_message(control_, message, fd); }

std::optional<KeeperMessage> KeeperLink::receive() {
  KeeperMessage message;
  int fd = -1;
  switch (receive_message(control_, message, fd)) {
    case Received::message:
      return message;
    case Received::nothing:
      return std::nullopt;
    case Received::end:
      lost_ = true;
      return std::nullopt;
  }
  return std::nullopt;
}

KeeperPair make_keeper_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  void* const page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (wake < 0 || page == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "keeper");
  auto* const shared = new (page) channel::RankPage;
  KeeperPair pair;
  pair.link = std::make_unique<KeeperLink>(ends[0], wake, shared);
  pair.keeper = std::make_unique<Keeper>(ends[1], wake, shared);
  pair.link_end = ends[0];
  pair.keeper_end = ends[1];
  return pair;
}

void KeeperPair::keep_link() {
  ::close(keeper_end);
  keeper.reset();
}

void KeeperPair::keep_keeper() {
  ::close(link_end);
  (void)link.release();  // its descriptors are the keeper's too
}

int Keeper::run(KeeperDuties duties) {
  duties_ = std::move(duties);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP}) sigaddset(&watched, signal);
  ::sigprocmask(SIG_BLOCK, &watched, nullptr);
  const int signals = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  int parent = -1;
  if (duties_.rank_is_parent) parent = static_cast<int>(::syscall(SYS_pidfd_open, duties_.rank, 0));
  bool rank_gone = false;
  while (!rank_gone) {
    const short awaited = unsent_.empty() ? POLLIN : POLLIN | POLLOUT;
    std::array<pollfd, 4> fds{
        {{control_, awaited, 0}, {signals, POLLIN, 0}, {parent, POLLIN, 0}, {duties_.signal_line, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), kill_overdue());
    send_reports();
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == sizeof info) {
      const int signal = static_cast<int>(info.ssi_signo);
      if (signal != SIGCHLD && !duties_.rank_is_parent && !rank_status_) ::kill(duties_.rank, signal);
    }
    if (fds[3].revents != 0) {
      bool ended = false;
      const auto signal = duties_.take_signal(ended);
      if (signal && !rank_status_) ::kill(duties_.rank, *signal);
      if (ended) duties_.signal_line = -1;
    }
    reap();
    KeeperMessage message;
    int fd = -1;
    for (Received got{}; control_ >= 0 && (got = receive_message(control_, message, fd)) != Received::nothing;) {
      if (got == Received::end) {
        // The rank has let go of us: bare it is gone, or going; launched its end is seen as a child's.
        ::close(std::exchange(control_, -1));
        end_all_children();
        if (duties_.rank_is_parent) rank_gone = true;
        break;
      }
      if (message.kind == KeeperMessage::Kind::spawn && fd >= 0) {
        spawn(message.worker, fd, message.number != 0);
        fd = -1;
      } else if (message.kind == KeeperMessage::Kind::kill) {
        signal_worker(message.worker, message.number);
      } else if (message.kind == KeeperMessage::Kind::hold && fd >= 0 && duties_.hold) {
        duties_.hold(fd, message.number);
        fd = -1;
      }
      if (fd >= 0) ::close(fd);
    }
    if ((fds[2].revents & POLLIN) != 0) rank_gone = true;
    if (rank_status_) rank_gone = true;
  }
  end_all_children();
  ::close(signals);
  if (parent >= 0) ::close(parent);
  return rank_status_.value_or(0);
}

void Keeper::signal_worker(std::uint32_t worker, int signal) {
  const auto found = pids_.find(worker);
  if (found == pids_.end()) return;
  ::kill(-found->second, signal);
  ::kill(found->second, signal);
  if (signal == SIGTERM) asked_to_end_.try_emplace(worker, std::chrono::steady_clock::now() + kGrace);
}

int Keeper::kill_overdue() {
  using std::chrono::milliseconds;
  const auto now = std::chrono::steady_clock::now();
  std::optional<milliseconds> next;
  std::erase_if(asked_to_end_, [&](const auto& asked) {
    if (!pids_.contains(asked.first)) return true;
    if (asked.second <= now) {
      signal_worker(asked.first, SIGKILL);
      return true;
    }
    const auto left = std::chrono::ceil<milliseconds>(asked.second - now);
    if (!next || left < *next) next = left;
    return false;
  });
  return next ? static_cast<int>(next->count()) : -1;
}

void Keeper::spawn(std::uint32_t worker, int fd, bool with_folders) {
  std::optional<Folders> folders;
  if (with_folders) {
    folders = Folders::make();
    if (!folders) {
      const int error = errno;
      ::close(fd);
      return report({KeeperMessage::Kind::spawn_failed, worker, error, 0});
    }
  }
  const pid_t keeper = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != keeper) ::_exit(1);
    ::setsid();
    sigset_t none;
    sigemptyset(&none);
    for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_DFL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::prctl(PR_SET_NAME, "rankpool-worker");  // no space: see keep()
    if (folders) Folders::own() = folders->leave();
    const int null = ::open("/dev/null", O_RDONLY);
    ::dup2(null, STDIN_FILENO);
    // Only its channel, its door bell and what the program writes to.
    const int channel = 3;
    const int wake = 4;
    const int moved_channel = ::fcntl(fd, F_DUPFD, 10);
    const int moved_wake = ::fcntl(wake_, F_DUPFD, 10);
    ::dup2(moved_channel, channel);
    ::dup2(moved_wake, wake);
    ::fcntl(channel, F_SETFD, FD_CLOEXEC);
    ::fcntl(wake, F_SETFD, FD_CLOEXEC);
    if (::syscall(SYS_close_range, 5U, ~0U, 0U) != 0) {
      for (int i = 5; i < 65536; ++i) ::close(i);
    }
    try {
      duties_.worker_main(channel::Channel(channel), page_, wake);
    } catch (const std::exception& e) {
      base::log_error(std::string("a worker cannot start: ") + e.what());
    }
    ::_exit(1);
  }
  const int error = errno;
  ::close(fd);
  if (pid < 0) {
    report({KeeperMessage::Kind::spawn_failed, worker, error, 0});
    return;
  }
  pids_[worker] = pid;
  workers_[pid] = worker;
  if (folders) folders_.emplace(pid, std::move(*folders));
  report({KeeperMessage::Kind::spawned, worker, pid, 0});
}

void Keeper::reap() {
  while (true) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const pid_t pid = info.si_pid;
    const auto found = workers_.find(pid);
    // What the task left running ends with its worker; the group's number cannot be somebody else's before it is
    // reaped.
    if (found != workers_.end()) ::kill(-pid, SIGKILL);
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (found != workers_.end()) {
      end_session(pid);
      const std::uint32_t worker = found->second;
      workers_.erase(found);
      pids_.erase(worker);
      folders_.erase(pid);
      report({KeeperMessage::Kind::ended, worker, pid, status});
    } else if (pid == duties_.rank && !duties_.rank_is_parent) {
      rank_status_ = status;
      if (duties_.rank_ended) duties_.rank_ended(status);
    }
  }
}

void Keeper::end_session(pid_t session) {
  // Whom a worker leaves becomes a child of ours, and so does whom those leave.
  for (int round = 0; round < 100; ++round) {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    bool any = false;
    for (pid_t child = 0; children >> child;) {
      if (::getsid(child) != session) continue;
      any = true;
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    if (!any) return;
  }
}

void Keeper::report(const KeeperMessage& message) {
  unsent_.push_back(message);
  send_reports();
}

void Keeper::send_reports() {
  // Never waits for the rank to read: it may itself be waiting for room in the other direction.
  while (!unsent_.empty()) {
    if (control_ >= 0 && !send_message(control_, unsent_.front(), -1, MSG_DONTWAIT) && errno == EAGAIN) return;
    unsent_.pop_front();
    // Behind the message: who sees the count finds the message there.
    page_->keeper_events.fetch_add(1, std::memory_order_seq_cst);
  }
}

void Keeper::end_all_children() {
  for (int round = 0; round < 100; ++round) {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    bool any = false;
    for (pid_t child = 0; children >> child;) {
      if (child == duties_.rank && !rank_status_) continue;
      any = true;
      ::kill(-child, SIGKILL);
      ::kill(child, SIGKILL);
    }
    reap();
    if (!any) return;
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace rankpool::keeper
