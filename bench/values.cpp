// --what=strings (a vector of 1000) or record (a struct with a map) to a worker and back, one at a time: seconds.
// --rank=1 as in payload.
#include "values.hpp"
#include "measure.hpp"
#include "one_rank.hpp"

namespace {

template <class T>
T echo(T value) {
  return value;
}

template <class T>
bool measure(rankpool::ProcessPoolExecutor& executor, const T& value, long rounds) {
  std::vector<double> times;
  for (long round = 0; round < rounds; ++round) {
    const auto begin = bench::Clock::now();
    if (executor.submit(echo<T>, value).result() != value) return false;
    times.push_back(bench::seconds_since(begin));
  }
  bench::Report().add_times("seconds", times).print();
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long rounds = bench::option(count, arguments, "rounds", 2000);
    bench::OneRankExecutor executor(static_cast<int>(bench::option(count, arguments, "rank", 0)));
    const bool record = bench::text_option(count, arguments, "what", "strings") == "record";
    return (record ? measure(executor, bench::some_record(), rounds) : measure(executor, bench::some_strings(), rounds))
               ? 0
               : 1;
  });
}
