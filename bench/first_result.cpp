// From the start of the process to the first result, in milliseconds: what a user waits for at least.
// The start is read from the kernel (clock ticks of 10 ms are too coarse), so the program starts itself anew and hands
// over the time at which it did.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>
#include <thread>

#include <iostream>

namespace {

long twice(long x) { return 2 * x; }

double now_in_seconds() { return std::chrono::duration<double>(bench::Clock::now().time_since_epoch()).count(); }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    const std::string begin = std::to_string(now_in_seconds());
    ::execl("/proc/self/exe", argv[0], begin.c_str(), static_cast<char*>(nullptr));
    return 1;
  }
  return rankpool::run(argc, argv, [](int, char** arguments) {
    const double begin = std::strtod(arguments[1], nullptr);
    rankpool::ProcessPoolExecutor executor;
    if (executor.submit(twice, 21).result() != 42) return 1;
    std::cout << "first result after " << (now_in_seconds() - begin) * 1e3 << " ms\n";
    return 0;
  });
}
