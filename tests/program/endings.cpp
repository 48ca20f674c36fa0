// A rankpool program that ends in the way its first argument names. Others are a folder for marks, and what the way
// needs.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using namespace std::chrono_literals;

std::string g_folder;  // set in rank 0 only; tasks are told

void leave_mark(const std::string& path, const std::string& text) {
  std::ofstream(path + ".part") << text << '\n';
  std::rename((path + ".part").c_str(), path.c_str());
}

/// A task that takes its time, and leaves a mark when it is done.
void work(const std::string& folder, int number) {
  ::poll(nullptr, 0, 20);
  leave_mark(folder + "/done-" + std::to_string(number), "done");
}
void work_for_ever(const std::string& mark) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  leave_mark(mark, "begun");
  for (std::atomic<long> rounds{0};;) ++rounds;
}
int fail() { throw std::invalid_argument("thrown in a task"); }
int fail_at_zero(int x) {
  if (x == 0) throw std::domain_error("zero");
  return x;
}
int square(int x) { return x * x; }

void submit_ten(rankpool::ProcessPoolExecutor& executor) {
  for (int i = 0; i < 10; ++i) executor.submit(work, g_folder, i);
}

/// Workers that do not want to end; then waits for a signal.
int be_busy_for_ever() {
  rankpool::ProcessPoolExecutor executor(2);
  for (int i = 0; i < 2; ++i) executor.submit(work_for_ever, g_folder + "/busy-" + std::to_string(i));
  for (int i = 0; i < 2; ++i) {
    while (::access((g_folder + "/busy-" + std::to_string(i)).c_str(), F_OK) != 0) ::poll(nullptr, 0, 5);
  }
  leave_mark(g_folder + "/up", std::to_string(::getpid()));
  while (true) ::pause();
}

int app(int argc, char** argv) {
  const std::string how = argv[1];
  g_folder = argc > 2 ? argv[2] : "";
  if (how == "return-5") return 5;
  if (how == "busy") return be_busy_for_ever();
  if (how == "throw") throw std::runtime_error("the text of the exception");
  if (how == "throw-int") throw 42;
  if (how == "throw-with-open-executor") {
    rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    throw std::runtime_error("the text of the exception");
  }
  if (how == "throw-from-task") {
    rankpool::ProcessPoolExecutor executor(1);
    return executor.submit(fail).result();
  }
  if (how == "throw-from-map" || how == "throw-from-to-vector" || how == "throw-from-pool-map") {
    const std::vector<int> items{1, 0, 2, 0, 0};
    if (how == "throw-from-pool-map") {
      rankpool::Pool pool(2);
      pool.map(fail_at_zero, items);
    }
    rankpool::ProcessPoolExecutor executor(2);
    auto results = executor.map(fail_at_zero, items);
    if (how == "throw-from-to-vector") results.to_vector();
    for ([[maybe_unused]] const int result : results) continue;
  }
  if (how == "pthread-exit") {
    rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    ::pthread_exit(nullptr);
  }
  if (how == "pthread-exit-with-a-thread") {
    static rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    std::thread([] {
      ::poll(nullptr, 0, 300);
      leave_mark(g_folder + "/thread", "ended");
    }).detach();
    ::pthread_exit(nullptr);
  }
  if (how == "exit-3") {
    rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    std::exit(3);
  }
  if (how == "exit-3-in-a-thread") {
    rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    std::thread([] { std::exit(3); }).detach();
    while (true) ::pause();
  }
  if (how == "exit-3-in-a-thread-while-main-waits") {
    rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    const auto last = executor.submit(work, g_folder, 10);
    std::thread([] { std::exit(3); }).detach();
    last.result();
    while (true) ::pause();
  }
  if (how == "static-executor") {
    static rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    return 5;
  }
  if (how == "static-executor-exit-3") {
    static rankpool::ProcessPoolExecutor executor(2);
    submit_ten(executor);
    std::exit(3);
  }
  if (how == "static-pool") {
    static rankpool::Pool pool(2);
    return pool.apply(square, std::tuple(7)) == 49 ? 5 : 1;
  }
  if (how == "square") {
    rankpool::ProcessPoolExecutor executor;
    std::cout << executor.submit(square, 7).result() << std::endl;
    return 0;
  }
  if (how == "many-workers") {
    rankpool::ProcessPoolExecutor executor(std::stoi(argv[2]));
    executor.bootup();
    std::cout << executor.num_workers() << std::endl;
    return 0;
  }
  if (how == "crowd") {  // prints how many workers there are; both pools want one more
    int room = 0;
    for (const auto& rank : rankpool::ranks()) room += rank.workers;
    std::cout << room << std::endl;
    const rankpool::ProcessPoolExecutor fitting(room);
    const rankpool::ProcessPoolExecutor oversubscribed(room + 1);
    const rankpool::ProcessPoolExecutor crowded_too(room + 1);
    return 0;
  }
  std::cerr << "no such way: " << how << '\n';
  return 2;
}

int arguments(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) std::cout << '[' << argv[i] << ']';
  std::cout << std::endl;
  return argc;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string how = argc > 1 ? argv[1] : "";
  if (how == "executor-before-run") {
    try {
      const rankpool::ProcessPoolExecutor executor;
      std::cout << "made" << std::endl;
    } catch (const rankpool::Error& e) {
      std::cout << "Error: " << e.what() << std::endl;
    }
    return rankpool::run(argc, argv, [] { return 0; });
  }
  if (how == "form-arguments") return rankpool::run(argc, argv, arguments);
  if (how == "form-nothing") return rankpool::run(argc, argv, [] { return 6; });
  if (how == "form-void") return rankpool::run(argc, argv, [] { std::cout << "void" << std::endl; });
  if (how == "run-twice") {
    rankpool::run(argc, argv, [] {});
    try {
      return rankpool::run(argc, argv, [] {});
    } catch (const rankpool::Error& e) {
      std::cout << "Error: " << e.what() << std::endl;
      return 0;
    }
  }
  return rankpool::run(argc, argv, app);
}
