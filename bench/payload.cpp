// A vector<double> of --bytes=B to a worker and back, --rounds=R times, read with get_ref; --rank=1 (under mpirun, one
// worker a rank) sends it to that rank. The task takes it by const reference and returns a copy, and it is an lvalue
// that is submitted; with --moved=1 the task takes it by value and gives it back, and it is moved in. Seconds, and the
// most that rank 0's memory grew, in payloads.
#include "measure.hpp"
#include "one_rank.hpp"

namespace {

std::vector<double> copy_of(const std::vector<double>& values) { return values; }
std::vector<double> give_back(std::vector<double> values) { return values; }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long bytes = bench::option(count, arguments, "bytes", 1 << 20);
    const long rounds = bench::option(count, arguments, "rounds", 9);
    const bool moved = bench::option(count, arguments, "moved", 0) != 0;
    bench::OneRankExecutor executor(static_cast<int>(bench::option(count, arguments, "rank", 0)));
    std::vector<double> values(static_cast<std::size_t>(bytes) / sizeof(double));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);

    std::vector<double> times;
    double growth = 0;
    for (long round = 0; round <= rounds; ++round) {  // the first warms up, and tells what memory it takes
      std::vector<double> input = moved ? values : std::vector<double>();
      bench::forget_peak_memory();
      const double before = bench::memory_bytes("VmRSS");
      const auto begin = bench::Clock::now();
      const auto future = moved ? executor.submit(give_back, std::move(input)) : executor.submit(copy_of, values);
      const std::vector<double>& back = future.get_ref();
      const double seconds = bench::seconds_since(begin);
      if (round == 0) growth = bench::memory_bytes("VmHWM") - before;
      if (back != values) return 1;
      if (round > 0) times.push_back(seconds);
    }
    bench::Report()
        .add_times("seconds", times)
        .add("peak_growth_over_payload", growth / static_cast<double>(bytes))
        .print();
    return 0;
  });
}
