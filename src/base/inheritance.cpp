#include "base/inheritance.hpp"

#include "base/sanitizers.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <limits>

namespace rankpool::base {
namespace {

/// Which of 0, 1, 2 were closed when the program was loaded: before the program or a library could open a file, which
/// would get that number and be taken for a standard stream.
std::array<bool, 3> g_closed_at_start{};

/// Where it was started: the program may have changed that before it is executed anew (keeper/spawned_worker.hpp).
std::array<char, PATH_MAX> g_directory_at_start{};

__attribute__((constructor(101))) void look_around_at_start() {
  for (int fd = 0; fd < 3; ++fd) g_closed_at_start[static_cast<std::size_t>(fd)] = ::fcntl(fd, F_GETFD) < 0;
  if (::getcwd(g_directory_at_start.data(), g_directory_at_start.size()) == nullptr) g_directory_at_start[0] = '\0';
}

/// How many descriptors a process may have, but no more than are looked for one by one.
int descriptor_limit() {
  constexpr rlim_t most = 65'536;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<int>(std::min(limit.rlim_cur, most));
}

/// Without /proc the kernel is asked about each possible number, many in one call.
std::vector<int> find_open_by_asking() {
  std::vector<int> found;
  const int limit = descriptor_limit();
  std::array<pollfd, 256> part{};
  const auto size = std::min<std::size_t>(part.size(), static_cast<std::size_t>(limit));
  for (int first = 0; first < limit; first += static_cast<int>(size)) {
    for (std::size_t i = 0; i < size; ++i) part[i] = {first + static_cast<int>(i), 0, 0};
    if (::poll(part.data(), size, 0) < 0) continue;
    for (std::size_t i = 0; i < size; ++i) {
      if ((part[i].revents & POLLNVAL) == 0) found.push_back(part[i].fd);
    }
  }
  return found;
}

std::vector<int> find_open() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return find_open_by_asking();
  std::vector<int> found;
  while (const dirent* const entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = std::atoi(entry->d_name);
    if (fd != ::dirfd(folder)) found.push_back(fd);
  }
  ::closedir(folder);
  std::sort(found.begin(), found.end());
  return found;
}

void close_range_of(int first, int last) {
  if (first > last) return;
  if (::syscall(SYS_close_range, static_cast<unsigned>(first), static_cast<unsigned>(last), 0U) == 0) return;
  const int end = std::min(last, descriptor_limit() - 1);
  for (int fd = first; fd <= end; ++fd) ::close(fd);
}

void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  int next = 0;
  for (const int fd : kept) {
    close_range_of(next, fd - 1);
    next = std::max(next, fd + 1);
  }
  close_range_of(next, std::numeric_limits<int>::max());
}

void set_disposition(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);  // fails for SIGKILL and the like, which nobody can change
}

}  // namespace

bool Stock::had(int descriptor) const { return std::binary_search(descriptors.begin(), descriptors.end(), descriptor); }

const Inheritance& inheritance_of(Heir heir) {
  // A keeper and an agent write to standard error only, and are not to die of it: hence SIGPIPE, and SIGXFSZ, by which
  // a limit on file sizes ends who writes to a file. What asks to end a job is rank 0's business.
  static const std::vector<int> asks_to_end{SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
  static const Inheritance worker{true, true, true, true, {}, {}};
  static const Inheritance keeper{
      true, false, false, false, {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}, {SIGPIPE, SIGXFSZ}};
  static const Inheritance agent{true,  true, false,
                                 false, {},   {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}};
  switch (heir) {
    case Heir::keeper:
      return keeper;
    case Heir::agent:
      return agent;
    case Heir::worker:
      break;
  }
  return worker;
}

Stock take_stock() {
  Stock stock;
  stock.standard_input_was_closed = g_closed_at_start[STDIN_FILENO];
  for (int fd = 0; fd < 3; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    const int null = ::open("/dev/null", O_RDWR);
    if (null >= 0 && null != fd) {
      ::dup2(null, fd);
      ::close(null);
    }
  }
  stock.descriptors = find_open();
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    auto& found = stock.signals[static_cast<std::size_t>(signal)];
    if ((action.sa_flags & SA_SIGINFO) != 0) {
      found = Disposition::handled;
    } else if (action.sa_handler != SIG_DFL) {
      found = action.sa_handler == SIG_IGN ? Disposition::ignored : Disposition::handled;
    }
  }
  stock.other_threads = count_other_threads();
  return stock;
}

void give_signals(const Stock& stock, Heir heir) {
  const Inheritance& rules = inheritance_of(heir);
  sigset_t mask;
  sigfillset(&mask);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);  // none is to meet a half of this
  for (int signal = 1; signal < NSIG; ++signal) {
    const bool ignored = stock.signals[static_cast<std::size_t>(signal)] == Disposition::ignored;
    set_disposition(signal, ignored && rules.ignored_stays ? SIG_IGN : SIG_DFL);
  }
  for (const int signal : rules.ignores) set_disposition(signal, SIG_IGN);
  for (const int signal : rules.reads) set_disposition(signal, SIG_DFL);
  sigemptyset(&mask);
  if (!rules.mask_is_empty) {
    for (const int signal : rules.reads) sigaddset(&mask, signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void give_descriptors(const Stock& stock, Heir heir, std::vector<int> own) {
  const Inheritance& rules = inheritance_of(heir);
  if (rules.closes_own) {
    own.insert(own.end(), stock.descriptors.begin(), stock.descriptors.end());
    close_all_but(std::move(own));
  }
  if (rules.input_is_empty && !stock.standard_input_was_closed) {
    const int null = ::open("/dev/null", O_RDONLY);
    if (null < 0) {
      ::close(STDIN_FILENO);  // there is no /dev: reading fails, which is empty enough
    } else if (null != STDIN_FILENO) {
      ::dup2(null, STDIN_FILENO);
      ::close(null);
    }
  }
}

const char* directory_at_start() noexcept { return g_directory_at_start.data(); }

int count_other_threads() {
  DIR* const folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return __libc_single_threaded ? 0 : kThreadsUnknown;  // there was another once
  int count = 0;
  while (const dirent* const entry = ::readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return std::max(count - 1 - kThreadsOfTools, 0);
}

}  // namespace rankpool::base
