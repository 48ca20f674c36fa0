#include "keeper/keeper.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/memfd.hpp"
#include "base/terminal_rescue.hpp"
#include "keeper/spawned_worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

/// Signals that have come and are not dealt with. A descriptor for them might not be had.
std::array<volatile std::sig_atomic_t, NSIG> g_came{};

/// The thread that deals with them.
pid_t g_reader = 0;

/// Threads that were there before `run` do not block signals: what comes to one of them goes on to the one that waits.
extern "C" void note_signal(int signal) {
  g_came[static_cast<std::size_t>(signal)] = 1;
  const int error = errno;
  if (::gettid() != g_reader) ::tgkill(::getpid(), g_reader, signal);
  errno = error;
}

}  // namespace

KeeperPair make_keeper_pair() {
  int ends[2];
  int wakeup[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "a socket for the keeper");
  // A pipe, not an eventfd: whoever writes to it can tell it from all else that might stand under its number.
  if (::pipe2(wakeup, O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::system_error(errno, std::generic_category(), "a pipe for the workers");
  int memory = ::memfd_create(channel::kRankPageName, MFD_CLOEXEC);
  if (memory < 0) throw std::system_error(errno, std::generic_category(), "shared memory");
  base::resize(memory, channel::kRankPageSize);
  void* const page = ::mmap(nullptr, channel::kRankPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (page == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "shared memory");
  for (int* const fd : {&ends[0], &ends[1], &wakeup[0], &wakeup[1], &memory}) *fd = base::to_high_number(*fd);
  auto* const shared = new (page) channel::RankPage;
  if (::getrandom(shared->token.data(), shared->token.size(), 0) < 0)
    throw std::system_error(errno, std::generic_category(), "random bytes");
  KeeperPair pair;
  pair.link = std::make_unique<KeeperSocket>(ends[0], wakeup[0], shared, memory);
  pair.keeper = std::make_unique<Keeper>(ends[1], wakeup[1], shared, memory);
  pair.link_end = ends[0];
  pair.keeper_end = ends[1];
  pair.wakeup_end = wakeup[1];
  return pair;
}

void KeeperPair::keep_link() {
  ::close(keeper_end);
  ::close(wakeup_end);
  keeper.reset();
}

void KeeperPair::keep_keeper() {
  ::close(link_end);
  // The end of the wakeup that the rank reads stays open here: no worker is to die of writing to it after the rank.
  (void)link.release();
}

int Keeper::run(KeeperDuties duties) {
  duties_ = std::move(duties);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  // Nothing is due while SIGCHLD is ignored, as a program's parent may have it: the state of a worker would be lost.
  base::give_signals(duties_.stock, base::Heir::keeper);
  g_reader = ::gettid();
  struct sigaction note {};
  note.sa_handler = note_signal;
  sigfillset(&note.sa_mask);
  for (const int signal : base::inheritance_of(base::Heir::keeper).reads) ::sigaction(signal, &note, nullptr);
  sigset_t none;
  sigemptyset(&none);
  int parent = -1;
  if (duties_.rank_is_parent) parent = static_cast<int>(::syscall(SYS_pidfd_open, duties_.rank, 0));
  reap();  // who has ended before signals were listened to
  bool rank_gone = rank_status_.has_value();
  while (!rank_gone) {
    const short awaited = unsent_.empty() ? POLLIN : POLLIN | POLLOUT;
    std::array<pollfd, 4> fds{
        {{control_, awaited, 0}, {parent, POLLIN, 0}, {duties_.signal_line, POLLIN, 0}, {duties_.launcher, POLLIN, 0}}};
    const int wait = kill_overdue();
    const timespec limit{wait / 1000, wait % 1000 * 1'000'000L};
    // Signals come here and nowhere else: what they have to tell is seen before the next sleep.
    if (::ppoll(fds.data(), fds.size(), wait < 0 ? nullptr : &limit, &none) < 0) {
      for (auto& fd : fds) fd.revents = 0;
    }
    send_reports();
    pass_on_signals();
    if (fds[2].revents != 0) {
      bool ended = false;
      const auto signal = duties_.take_signal(ended);
      if (signal && !rank_status_) ::kill(duties_.rank, *signal);
      if (ended) duties_.signal_line = -1;
    }
    if ((fds[3].revents & POLLIN) != 0) {
      // Open MPI 5 leaves a rank alone that is to survive the loss of others.
      if (!rank_status_) ::kill(duties_.rank, SIGKILL);
      ::close(std::exchange(duties_.launcher, -1));
    }
    reap();
    if (control_ >= 0 && !take_messages()) {
      // The rank has let go of us: bare it is gone, or going; launched its end is seen as a child's.
      ::close(std::exchange(control_, -1));
      end_all_children();
      rank_gone = duties_.rank_is_parent;
    }
    if ((fds[1].revents & POLLIN) != 0) rank_gone = true;
    if (rank_status_) rank_gone = true;
  }
  if (own_.page->terminal_lines.load(std::memory_order_relaxed) != 0) base::rescue_terminal();
  end_all_children();
  if (parent >= 0) ::close(parent);
  return rank_status_.value_or(0);
}

void Keeper::pass_on_signals() {
  for (const int signal : base::inheritance_of(base::Heir::keeper).reads) {
    auto& came = g_came[static_cast<std::size_t>(signal)];
    if (came == 0) continue;
    came = 0;
    if (signal != SIGCHLD && !duties_.rank_is_parent && !rank_status_) ::kill(duties_.rank, signal);
  }
}

bool Keeper::take_messages() {
  KeeperMessage message;
  int fd = -1;
  while (true) {
    const Received got = receive_message(control_, message, fd);
    if (got == Received::nothing) return true;
    if (got == Received::end) return false;
    if (message.kind == KeeperMessage::Kind::spawn) {
      if (fd >= 0) {
        spawn(message.worker, std::exchange(fd, -1), message.number);
      } else {  // there was no room for it here
        report({KeeperMessage::Kind::spawn_failed, message.worker, EMFILE, 0});
      }
    } else if (message.kind == KeeperMessage::Kind::kill) {
      signal_worker(message.worker, message.number);
    } else if (message.kind == KeeperMessage::Kind::hold && fd >= 0 && duties_.hold) {
      duties_.hold(std::exchange(fd, -1), message.number);
    } else if (message.kind == KeeperMessage::Kind::other_page && fd >= 0) {
      take_other_page(std::exchange(fd, -1));
    } else if (message.kind == KeeperMessage::Kind::other_wake && fd >= 0) {
      take_other_wake(std::exchange(fd, -1));
    }
    if (fd >= 0) ::close(fd);
  }
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

void Keeper::take_other_page(int fd) {
  if (other_.page != nullptr) ::munmap(std::exchange(other_.page, nullptr), channel::kRankPageSize);
  if (other_.page_memory >= 0) ::close(std::exchange(other_.page_memory, -1));
  struct stat facts {};
  if (::fstat(fd, &facts) == 0 && facts.st_size >= static_cast<off_t>(channel::kRankPageSize)) {
    void* const page = ::mmap(nullptr, channel::kRankPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) other_.page = static_cast<channel::RankPage*>(page);
  }
  other_.page_memory = base::to_high_number(fd);
}

void Keeper::take_other_wake(int fd) {
  if (other_.wake >= 0) ::close(other_.wake);
  other_.wake = base::to_high_number(fd);
}

void Keeper::spawn(std::uint32_t worker, int fd, std::int32_t how) {
  const Host& host = (how & KeeperMessage::kForOtherHost) != 0 ? other_ : own_;
  if (host.page == nullptr || host.wake < 0) {
    ::close(fd);
    return report({KeeperMessage::Kind::spawn_failed, worker, ENXIO, 0});
  }
  std::optional<Folders> folders;
  const auto origin = static_cast<base::WorkerOrigin>(how & ~KeeperMessage::kForOtherHost);
  if (origin == base::WorkerOrigin::forked_with_folders) {
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
    if (folders) Folders::own() = folders->leave();
    become_worker(fd, origin, host);
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

void Keeper::become_worker(int channel, base::WorkerOrigin origin, const Host& host) {
  ::setsid();
  base::give_signals(duties_.stock, base::Heir::worker);
  ::prctl(PR_SET_NAME, "rankpool-worker");  // no space: see keep()
  const bool spawned = origin == base::WorkerOrigin::spawned;
  if (spawned) channel = base::to_high_number(channel);  // its `main` has the usual ones to itself
  std::vector<int> own{channel, host.wake};
  if (spawned) own.push_back(host.page_memory);
  base::give_descriptors(duties_.stock, base::Heir::worker, own);
  try {
    if (spawned) execute_program({channel, host.page_memory, host.wake}, *host.page);
    duties_.worker_main(channel::Channel(channel), host.page, host.wake);
  } catch (const std::exception& e) {
    base::log_error("a worker cannot start: " + base::explain(e));
  }
  ::_exit(1);
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
    own_.page->keeper_events.fetch_add(1, std::memory_order_seq_cst);
  }
}

void Keeper::end_all_children() {
  for (int round = 0; round < 100; ++round) {
    std::ifstream children("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    bool any = false;
    const auto end = [&](pid_t child) {
      if (child == duties_.rank && !rank_status_) return;
      any = true;
      ::kill(-child, SIGKILL);
      ::kill(child, SIGKILL);
    };
    for (pid_t child = 0; children >> child;) end(child);
    // Where that file is missing the workers are known; what a task has let go of in a session of its own is not.
    for (const auto& [pid, worker] : workers_) end(pid);
    reap();
    if (!any) return;
    ::poll(nullptr, 0, 2);
  }
}

}  // namespace rankpool::keeper
