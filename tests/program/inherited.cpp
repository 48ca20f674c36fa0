// A rankpool program that has inherited or set up something odd before `run`, in the way its first argument names, and
// tells how its tasks find it. Others are a folder for files, and what the way needs.
#include <rankpool/rankpool.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

std::string g_folder;
std::ofstream g_log;
int g_descriptor = -1;

std::string text_of(const std::exception& e) { return e.what(); }

template <class Call>
void tell(const std::string& what, Call&& call) {
  std::cout << what << ": ";
  try {
    std::cout << call() << std::endl;
  } catch (const rankpool::BrokenProcessPool& e) {
    std::cout << "BrokenProcessPool " << text_of(e) << std::endl;
  } catch (const std::exception& e) {
    std::cout << text_of(e) << std::endl;
  }
}

int square(int x) { return x * x; }
int die() {
  std::raise(SIGKILL);
  return 0;
}

// -- SIGCHLD, threads

int lose_one_and_go_on() {
  tell("lost", [] {
    rankpool::ProcessPoolExecutor executor(2);
    return executor.submit(die).result(10s);
  });
  rankpool::Pool pool(2);
  tell("then", [&] { return pool.apply(square, std::tuple(7)); });
  return 0;
}

// -- descriptors

int write_to_log(int number) {
  g_log << "line " << number << std::endl;
  return number;
}
std::string offset_of_descriptor() { return std::to_string(::lseek(g_descriptor, 0, SEEK_CUR)); }
/// Closes all, and opens files where the library's descriptors were, which must stay empty.
int close_all(const std::string& folder) {
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  const std::string name = folder + "/of-task-" + std::to_string(::getpid());
  const int file = ::open(name.c_str(), O_CREAT | O_RDWR, 0600);
  for (int fd = 3; fd < 1024; ++fd) {
    if (fd != file) ::dup2(file, fd);
  }
  return 1;
}
std::string standard_streams() {
  std::string text;
  for (int fd = 0; fd < 3; ++fd) text += ::fcntl(fd, F_GETFD) >= 0 ? "open " : "closed ";
  return text;
}

int use_open_files() {
  rankpool::ProcessPoolExecutor executor(2);
  tell("log", [&] {
    int sum = 0;
    for (int i = 0; i < 20; ++i) sum += executor.submit(write_to_log, i).result(10s);
    return sum;
  });
  tell("offset", [&] { return executor.submit(offset_of_descriptor).result(10s); });
  tell("after", [&] { return executor.submit(square, 6).result(10s); });
  return 0;
}
int close_all_in_a_task() {
  {
    rankpool::ProcessPoolExecutor executor(1);
    tell("closing", [&] { return executor.submit(close_all, g_folder).result(10s); });
    for (int i = 0; i < 3; ++i) {
      ::poll(nullptr, 0, 100);
      tell("next", [&] { return executor.submit(square, i).result(10s); });
    }
  }
  rankpool::ProcessPoolExecutor another(1);
  tell("another", [&] { return another.submit(square, 5).result(10s); });
  return 0;
}
int close_all_in_main() {
  rankpool::ProcessPoolExecutor executor(1);
  tell("before", [&] { return executor.submit(square, 5).result(10s); });
  ::poll(nullptr, 0, 50);  // the engine sleeps
  close_all(g_folder);
  tell("after", [&] { return executor.submit(square, 6).result(20s); });
  return 0;
}
int use_closed_streams() {
  const std::string path = g_folder + "/told-" + std::to_string(::getpid());
  std::ofstream told(path);
  std::cout << "lost" << std::endl;
  std::cerr << "lost" << std::endl;
  rankpool::ProcessPoolExecutor executor(2);
  int sum = 0;
  for (const int value : executor.map(square, std::vector{1, 2, 3})) sum += value;
  told << sum << ' ' << executor.submit(standard_streams).result(10s) << std::endl;
  return 0;
}

// -- signals

/// How a worker finds each signal: i(gnored), d(efault), h(andled), b(locked).
std::string signals_here() {
  std::string text;
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    const char state = action.sa_handler == SIG_IGN ? 'i' : action.sa_handler == SIG_DFL ? 'd' : 'h';
    if (::sigismember(&mask, signal) == 1) text += std::to_string(signal) + "b ";
    if (state != 'd') text += std::to_string(signal) + state + ' ';
  }
  return text;
}
std::string write_to_closed_pipe() {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  ::close(ends[0]);
  const ssize_t written = ::write(ends[1], "x", 1);
  return written < 0 ? std::strerror(errno) : "written";
}
int use_signals() {
  rankpool::ProcessPoolExecutor executor(1);
  tell("signals", [&] { return executor.submit(signals_here).result(10s); });
  tell("pipe", [&] { return executor.submit(write_to_closed_pipe).result(10s); });
  return 0;
}

// -- forks

int fork_and_return(int number) {
  if (::fork() == 0) return -number;
  return number;
}
int fork_and_throw(int number) {
  if (::fork() == 0) throw std::runtime_error("in the child");
  return number;
}
int fork_and_exit(int number) {
  const pid_t child = ::fork();
  if (child == 0) std::exit(0);
  ::waitpid(child, nullptr, 0);
  return number;
}
int fork_a_daemon(int number) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    if (::fork() == 0) ::pause();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  return number;
}
/// As a process without what the C library does in a fork.
int clone_and_return(int number) {
  if (::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr) == 0) return -number;
  return number;
}
int fork_in_tasks(const std::string& how) {
  const auto task = how == "return"  ? fork_and_return
                    : how == "throw" ? fork_and_throw
                    : how == "exit"  ? fork_and_exit
                    : how == "clone" ? clone_and_return
                                     : fork_a_daemon;
  rankpool::ProcessPoolExecutor executor({.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace});
  int bad = 0;
  for (int i = 1; i <= 10; ++i) bad += executor.submit(task, i).result(20s) == i ? 0 : 1;
  std::vector<int> items(30);
  for (int i = 0; i < 30; ++i) items[static_cast<std::size_t>(i)] = i + 1;
  int expected = 0;
  for (const int value : executor.map(task, items)) bad += value == ++expected ? 0 : 1;
  std::cout << "bad: " << bad << ' ' << expected << std::endl;
  return 0;
}
int fork_in_main() {
  rankpool::ProcessPoolExecutor executor(2);
  rankpool::Value<int> shared(3);
  const auto pending = executor.submit([] {
    ::poll(nullptr, 0, 300);
    return 8;
  });
  executor.submit(square, 1).result();
  std::cout.flush();
  const pid_t child = ::fork();
  if (child == 0) {
    std::ostringstream text;
    const auto refused = [&](const char* what, auto&& call) {
      try {
        call();
        text << what << " worked\n";
      } catch (const rankpool::Error& e) {
        text << what << " refused\n";
      }
    };
    refused("submit", [&] { executor.submit(square, 2).result(5s); });
    refused("result", [&] { pending.result(5s); });
    refused("map", [&] { (void)executor.map(square, std::vector{1}); });
    refused("bootup", [&] { executor.bootup(); });
    refused("pool", [] { rankpool::Pool another(1); });
    refused("get", [&] { (void)shared.get(); });
    executor.shutdown();
    std::cout << text.str() << "workers " << executor.num_workers() << std::endl;
    return 0;  // through all destructors, and out of run
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::cout << "child " << status << std::endl;
  tell("pending", [&] { return pending.result(10s); });
  tell("shared", [&] { return shared.get(); });
  tell("after", [&] { return executor.submit(square, 6).result(10s); });
  return 0;
}
int wait_for_all_children() {
  rankpool::ProcessPoolExecutor executor(2);
  tell("before", [&] { return executor.submit(square, 5).result(10s); });
  for (int i = 0; i < 3; ++i) {
    if (::fork() == 0) ::_exit(0);
  }
  int count = 0;
  while (::wait(nullptr) > 0) ++count;
  std::cout << "children: " << count << std::endl;
  tell("after", [&] { return executor.submit(square, 6).result(10s); });
  return 0;
}

// -- limits

int use_little(const std::string& what) {
  tell(what, [&] {
    rankpool::ProcessPoolExecutor executor(2);
    return executor.submit(square, 7).result(20s);
  });
  return 0;
}
std::vector<char> large(std::size_t size) { return std::vector<char>(size, 'x'); }
/// Results for which rank 0 has no memory.
int get_too_much(std::size_t size) {
  rankpool::ProcessPoolExecutor executor(1);
  rankpool::ProcessPoolExecutor other(1);
  const auto before = executor.submit(square, 5);
  const auto much = executor.submit(large, size);
  tell("before", [&] { return before.result(30s); });
  tell("much", [&] { return much.result(30s).size(); });
  tell("after", [&] { return executor.submit(square, 6).result(30s); });
  tell("other", [&] { return other.submit(square, 7).result(30s); });
  return 0;
}

// -- losses of ranks

std::size_t size_of(const rankpool::Broadcast<std::vector<char>>& data) { return data->size(); }
/// A rank that has no room for it fails by itself.
int broadcast_much(std::size_t size) {
  {
    rankpool::ProcessPoolExecutor executor(4);
    executor.bootup();
    const auto data = rankpool::broadcast(std::vector<char>(size));
    std::vector<rankpool::Future<std::size_t>> futures;
    for (int i = 0; i < 8; ++i) {
      tell("submitted", [&] {
        futures.push_back(executor.submit(size_of, data));  // throws once the rank is lost
        return i;
      });
    }
    for (const auto& future : futures) tell("size", [&] { return future.result(30s); });
  }
  rankpool::ProcessPoolExecutor another;
  tell("another", [&] { return another.submit(square, 5).result(10s); });
  return 0;
}
int kill_rank_1() {
  ::kill(rankpool::ranks().at(1).pid, SIGKILL);
  while (rankpool::ranks().at(1).alive) ::poll(nullptr, 0, 5);
  return use_little("little");
}

// -- whatever a random start has

/// The signals that are ignored here.
std::string ignored_here() {
  std::string text;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      text += std::to_string(signal) + ' ';
  }
  return text;
}
std::string g_ignored_at_start;
std::vector<int> g_open_at_start;

std::string differences() {
  std::string text;
  if (const auto here = ignored_here(); here != g_ignored_at_start)
    text += "ignored: " + here + ", not " + g_ignored_at_start;
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < NSIG; ++signal) {
    if (::sigismember(&mask, signal) == 1) text += " blocked: " + std::to_string(signal);
  }
  for (const int fd : g_open_at_start) {
    if (::fcntl(fd, F_GETFD) < 0) text += " closed: " + std::to_string(fd);
  }
  return text;
}
int run_whatever() {
  std::string result;
  int status = 0;
  try {
    rankpool::ProcessPoolExecutor executor({.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace});
    result = executor.submit(differences).result(30s);
    int sum = 0;
    for (const int value : executor.map(square, std::vector{1, 2, 3, 4})) sum += value;
    if (sum != 30) result += " sum: " + std::to_string(sum);
    try {
      executor.submit(die).result(20s);
      result += " no loss was told";
    } catch (const rankpool::TerminatedWorkerError&) {
    }
    if (executor.submit(square, 9).result(20s) != 81) result += " no square";
    if (result.empty()) result = "right";
  } catch (const std::exception& e) {
    result = text_of(e);
    status = 3;
  }
  std::ofstream(g_folder + "/result") << result << std::endl;
  return status;
}

int app(int, char** argv) {
  const std::string what = argv[1];
  if (what == "fuzz") return run_whatever();
  if (what.starts_with("lose")) return lose_one_and_go_on();
  if (what == "files") return use_open_files();
  if (what == "close-in-task") return close_all_in_a_task();
  if (what == "close-in-main") return close_all_in_main();
  if (what == "closed-streams") return use_closed_streams();
  if (what == "signals") return use_signals();
  if (what == "fork") return fork_in_tasks(argv[3]);
  if (what == "fork-in-main") return fork_in_main();
  if (what.starts_with("wait")) return wait_for_all_children();
  if (what == "little") return use_little("little");
  if (what == "broadcast") return broadcast_much(std::stoul(argv[3]));
  if (what == "kill-rank-1") return kill_rank_1();
  if (what == "busy") {
    rankpool::ProcessPoolExecutor executor;
    std::ofstream(g_folder + "/up") << "up" << std::endl;
    executor
        .submit([] {
          while (true) ::pause();
        })
        .result();
  }
  if (what == "much") return get_too_much(std::stoul(argv[3]));
  return 2;
}

std::atomic<int> g_children{0};

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argv[1];
  g_folder = argv[2];
  if (what == "lose-with-handler") {
    ::signal(SIGCHLD, [](int) {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) ++g_children;
    });
  }
  if (what.ends_with("with-threads")) {
    for (int i = 0; i < 2; ++i) std::thread([] { ::pause(); }).detach();
  }
  if (what == "files") {
    // Numbers from 3 on, and some that are high.
    g_log.open(g_folder + "/log-" + std::to_string(::getpid()));
    g_descriptor = ::open("/etc/passwd", O_RDONLY);
    ::lseek(g_descriptor, 7, SEEK_SET);
  }
  if (what == "signals") {
    for (const int signal : {SIGPIPE, SIGHUP, SIGCHLD, SIGRTMIN + 3}) ::signal(signal, SIG_IGN);
    for (const int signal : {SIGUSR2, SIGALRM}) ::signal(signal, [](int) {});
    sigset_t some;
    sigemptyset(&some);
    for (const int signal : {SIGWINCH, SIGURG, SIGUSR1}) sigaddset(&some, signal);
    ::sigprocmask(SIG_BLOCK, &some, nullptr);
  }
  if (what == "fuzz") {
    g_ignored_at_start = ignored_here();
    for (int fd = 3; fd < 1000; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) g_open_at_start.push_back(fd);
    }
    try {
      for (unsigned long i = std::stoul(argv[3]) % 5; i > 2; --i) std::thread([] { ::pause(); }).detach();
    } catch (const std::system_error&) {  // there is no room for them
    }
  }
  return rankpool::run(argc, argv, app);
}
