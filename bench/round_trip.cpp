// submit then result, one at a time, back to back: seconds.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

namespace {

long identity(long x) { return x; }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 20'000);
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    std::vector<double> times;
    for (long i = 0; i < n; ++i) {
      const auto begin = bench::Clock::now();
      if (executor.submit(identity, i).result() != i) return 1;
      times.push_back(bench::seconds_since(begin));
    }
    bench::Report().add_times("seconds", times).print();
    return 0;
  });
}
