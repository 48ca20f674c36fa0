// A rankpool program that tells what it finds around itself, in the way its first argument names. A second one is a
// number, where the way needs it.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <set>
#include <string>
#include <system_error>
#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;

int square(int x) { return x * x; }
int square_slowly(int x) {
  ::poll(nullptr, 0, 100);
  return x * x;
}
int take_for_ever() {
  while (true) ::pause();
}
std::string make_a_pool() {
  try {
    rankpool::Pool pool(1);
    return "a pool was made";
  } catch (const rankpool::Error& e) {
    return e.what();
  }
}

template <class Call>
void tell_error(Call&& call) {
  try {
    call();
  } catch (const rankpool::BrokenProcessPool& e) {
    std::cout << "BrokenProcessPool: " << e.what() << std::endl;
  } catch (const rankpool::TimeoutError&) {
    std::cout << "TimeoutError" << std::endl;
  } catch (const std::exception& e) {
    std::cout << e.what() << std::endl;
  }
}

void tell_square() {
  rankpool::ProcessPoolExecutor executor;
  std::cout << executor.submit(square, 7).result() << std::endl;
}
void tell_workers(rankpool::ExecutorOptions options) {
  rankpool::ProcessPoolExecutor executor(std::move(options));
  tell_error([&] {
    executor.bootup();
    std::cout << executor.num_workers() << std::endl;
  });
}

void map_with_timeouts() {
  rankpool::ProcessPoolExecutor executor(2);
  for (const rankpool::Timeout timeout : {rankpool::Timeout(), rankpool::Timeout(60s), rankpool::Timeout(0s)}) {
    tell_error([&] {
      for (const int value : executor.map({.timeout = timeout}, square_slowly, std::vector{1, 2, 3}))
        std::cout << value << ' ';
      std::cout << std::endl;
    });
  }
}

/// This program may have so many processes and threads in all. That does not hold for root: from now on it is somebody
/// else, whom nobody else is.
void limit_processes(rlim_t most) {
  const rlimit limit{most, most};
  ::setrlimit(RLIMIT_NPROC, &limit);
  if (::setuid(100'000 + static_cast<uid_t>(::getpid())) != 0) std::abort();
  ::prctl(PR_SET_DUMPABLE, 1);  // /proc/self stays its own
}

/// Callbacks, where there is no room for the thread that would call them.
void call_back_without_room() {
  rankpool::ProcessPoolExecutor executor(1);
  rankpool::Pool pool(1);
  const auto begun = executor.submit(square_slowly, 9);
  limit_processes(1);
  tell_error(
      [&] { begun.add_done_callback([](const rankpool::Future<int>&) { std::cout << "called" << std::endl; }); });
  tell_error([&] {
    pool.map_async(square, std::vector{7}, 1, [](const std::vector<int>&) { std::cout << "called" << std::endl; });
  });
  std::cout << begun.result() << ' ' << executor.submit(square, 7).result() << ' ' << pool.apply(square, std::tuple(8))
            << std::endl;
}

/// Without rank 0's keeper the engine can do nothing more.
void lose_keeper() {
  rankpool::ProcessPoolExecutor executor(2);
  std::vector<rankpool::Future<int>> futures;
  for (int i = 0; i < 4; ++i) futures.push_back(executor.submit(take_for_ever));
  executor.bootup();
  ::kill(rankpool::ranks().front().keeper_pid, SIGKILL);
  for (const auto& future : futures) tell_error([&] { future.result(10s); });
  tell_error([&] { executor.submit(square, 7); });
}

/// When one of each kind is there.
void tell_threads() {
  rankpool::ProcessPoolExecutor executor(1);
  std::promise<void> called;
  executor.submit(square_slowly, 7).add_done_callback([&](const rankpool::Future<int>&) { called.set_value(); });
  called.get_future().wait();
  std::set<std::string> names;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(thread.path() / "comm") >> std::ws, name);
    names.insert(name);
  }
  for (const auto& name : names) std::cout << name << std::endl;
}

int app(int, char** argv) {
  const std::string what = argv[1];
  if (what == "square") tell_square();
  if (what == "workers") tell_workers({});
  if (what == "five-workers") tell_workers({.max_workers = 5});
  if (what == "map") map_with_timeouts();
  if (what == "callbacks-without-room") call_back_without_room();
  if (what == "lost-keeper") lose_keeper();
  if (what == "threads") tell_threads();
  if (what == "pool-in-a-task") {
    rankpool::ProcessPoolExecutor executor(1);
    std::cout << executor.submit(make_a_pool).result() << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argv[1];
  if (argc > 2) limit_processes(std::stoul(argv[2]));
  if (what != "child") return rankpool::run(argc, argv, app);
  const pid_t child = ::fork();
  if (child == 0) return rankpool::run(argc, argv, tell_square);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
