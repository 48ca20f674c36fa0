// What all processes of the job use of a core while nothing is to be done for --seconds=N, and how soon the next task
// starts.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <filesystem>
#include <iostream>
#include <sstream>
#include <thread>

namespace {

double start_of_task(long) { return std::chrono::duration<double>(bench::Clock::now().time_since_epoch()).count(); }

/// Processor seconds of a process and of those below it.
double cpu_seconds_below(pid_t root) {
  double ticks = 0;
  std::vector<pid_t> open{root};
  while (!open.empty()) {
    const pid_t pid = open.back();
    open.pop_back();
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stat, text);
    if (text.empty()) continue;
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string field;
    for (int i = 3; i <= 15 && fields >> field; ++i) {
      if (i == 14 || i == 15) ticks += std::strtod(field.c_str(), nullptr);
    }
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      std::ifstream children(task.path() / "children");
      for (pid_t child = 0; children >> child;) open.push_back(child);
    }
  }
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

/// Of all ranks on this node: each keeper is above its workers, and above or below its rank.
double cpu_seconds_of_job() {
  double sum = 0;
  for (const auto& rank : rankpool::ranks()) {
    sum += cpu_seconds_below(
        rank.rank == 0 && rank.pid == ::getpid() && rank.keeper_pid != ::getppid() ? rank.pid : rank.keeper_pid);
  }
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long seconds = bench::option(count, arguments, "seconds", 10);
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    for (int i = 0; i < 100; ++i) executor.submit(start_of_task, i).result();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double before = cpu_seconds_of_job();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const double used = cpu_seconds_of_job() - before;
    std::vector<double> delays;
    for (int i = 0; i < 50; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const double submitted = std::chrono::duration<double>(bench::Clock::now().time_since_epoch()).count();
      delays.push_back((executor.submit(start_of_task, i).result() - submitted) * 1e6);
    }
    std::cout << "idle: " << 100 * used / static_cast<double>(seconds)
              << " % of a core; the next task starts after p50 " << bench::quantile(delays, 0.5) << " us, p99 "
              << bench::quantile(delays, 0.99) << " us\n";
    return 0;
  });
}
