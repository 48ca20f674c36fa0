// A program that is asked to stop, one case a run; the driver (run) sends the signal when it prints "up".
//   stopping CASE
#include <rankpool/rankpool.hpp>

#include <unistd.h>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Runs until the program is asked to stop; the number of its rank.
int until_stop(int) {
  const auto enough = std::chrono::steady_clock::now() + 30s;
  while (!rankpool::stop_requested() && std::chrono::steady_clock::now() < enough) std::this_thread::sleep_for(1ms);
  return rankpool::stop_requested() ? rankpool::this_worker().rank : -1;
}

void take_long() { std::this_thread::sleep_for(60s); }

void up() { std::cout << "up" << std::endl; }

void await_running(const std::vector<rankpool::Future<int>>& futures, int number) {
  const auto running = [&] {
    int count = 0;
    for (const auto& future : futures) count += future.running() ? 1 : 0;
    return count;
  };
  while (running() < number) std::this_thread::sleep_for(1ms);
}

/// Tasks on every rank see it; what runs finishes, what has not begun is cancelled, nothing more is taken.
int drain() {
  const int workers = 2 * static_cast<int>(rankpool::ranks().size());
  rankpool::ProcessPoolExecutor executor({.max_workers = workers, .on_stop = rankpool::OnStop::finish_running});
  executor.bootup();
  std::vector<rankpool::Future<int>> futures;
  for (int i = 0; i < 20 * workers; ++i) futures.push_back(executor.submit(until_stop, i));
  await_running(futures, workers);
  up();
  int finished = 0;
  int cancelled = 0;
  for (const auto& future : futures) {
    try {
      if (future.result() < 0) throw std::runtime_error("a task was not told");
      ++finished;
    } catch (const rankpool::CancelledError&) {
      ++cancelled;
    }
  }
  std::string more = "taken";
  try {
    executor.submit(until_stop, 0);
  } catch (const rankpool::ShutdownError&) {
    more = "refused";
  }
  const bool right = finished >= workers && finished <= 3 * workers && cancelled == 20 * workers - finished;
  std::cout << (right ? "finished what ran" : "finished " + std::to_string(finished)) << ", more is " << more
            << ", asked: " << rankpool::stop_requested() << std::endl;
  return 3;
}

/// A program that asks decides by itself.
int ask() {
  rankpool::ProcessPoolExecutor executor(1);
  int rounds = 0;
  while (!rankpool::stop_requested()) {
    executor
        .submit(
            +[](int i) { return i; }, rounds)
        .result();
    if (rounds++ == 10) up();
  }
  std::cout << "done, "
            << executor
                   .submit(
                       +[](int i) { return i; }, 4)
                   .result()
            << std::endl;
  return 4;
}

/// A program that does not know of it, and waits.
int unaware() {
  rankpool::ProcessPoolExecutor executor(1);
  const auto future = executor.submit(take_long);
  while (!future.running()) std::this_thread::sleep_for(1ms);
  up();
  try {
    future.result();
  } catch (const rankpool::BrokenProcessPool& e) {
    std::cout << e.what() << std::endl;
    try {
      rankpool::ProcessPoolExecutor another(1);
      another.submit(take_long).result();
    } catch (const rankpool::BrokenProcessPool&) {
      std::cout << "another one is broken too" << std::endl;
    }
  }
  return 5;
}

/// Asked once and deaf: the second signal ends it.
int deaf() {
  (void)rankpool::stop_requested();
  rankpool::ProcessPoolExecutor executor(1);
  const auto future = executor.submit(take_long);
  up();
  while (!rankpool::stop_requested()) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(300ms);
  std::cout << "asked" << std::endl;
  future.result();
  return 6;
}

/// Takes its time, so that whatever brings the same request once more can come.
int take_time() {
  rankpool::ProcessPoolExecutor executor(1);
  (void)rankpool::stop_requested();
  up();
  while (!rankpool::stop_requested()) std::this_thread::sleep_for(1ms);
  std::cout << "asked" << std::endl;
  std::this_thread::sleep_for(1500ms);
  std::cout << "done" << std::endl;
  return 7;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const auto app = name == "drain"       ? drain
                   : name == "ask"       ? ask
                   : name == "unaware"   ? unaware
                   : name == "take_time" ? take_time
                                         : deaf;
  return rankpool::run(argc, argv, [app] { return app(); });
}
