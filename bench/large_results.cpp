// Values of --bytes=B, --n=N of them a round, --rounds=R rounds, --workers=W: seconds of a round and the most that rank
// 0's memory grew in one, in values. --way=results: tasks that return a struct with a serialize() of its own, by map,
// read one after the other. --way=map: vectors, lvalues, by map; --way=submit: the same vectors, moved into submit one
// by one.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <boost/serialization/vector.hpp>

#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Block {
  int id = 0;
  std::vector<double> values;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& id& values;
  }
};

Block make_block(std::size_t doubles, int id) { return {id, std::vector<double>(doubles, id)}; }
double ends_of(const std::vector<double>& values) { return values.front() + values.back(); }

std::vector<std::vector<double>> some_vectors(long n, std::size_t doubles) {
  std::vector<std::vector<double>> vectors;
  for (long i = 0; i < n; ++i) vectors.emplace_back(doubles, static_cast<double>(i));
  return vectors;
}

/// Whether all that came back is right.
bool return_blocks(rankpool::ProcessPoolExecutor& executor, long n, std::size_t doubles) {
  std::vector<int> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  int next = 0;
  for (const Block& block : executor.map(rankpool::partial(make_block, doubles), ids)) {
    if (block.id != next++ || block.values.size() != doubles || block.values.back() != block.id) return false;
  }
  return next == n;
}

bool is_right(double sum, long i) { return sum == 2 * static_cast<double>(i); }

bool map_vectors(rankpool::ProcessPoolExecutor& executor, const std::vector<std::vector<double>>& vectors) {
  long next = 0;
  for (const double sum : executor.map(ends_of, vectors)) {
    if (!is_right(sum, next++)) return false;
  }
  return next == static_cast<long>(vectors.size());
}

bool submit_vectors(rankpool::ProcessPoolExecutor& executor, std::vector<std::vector<double>> vectors) {
  std::vector<rankpool::Future<double>> futures;
  for (auto& vector : vectors) futures.push_back(executor.submit(ends_of, std::move(vector)));
  for (std::size_t i = 0; i < futures.size(); ++i) {
    if (!is_right(futures[i].result(), static_cast<long>(i))) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long bytes = bench::option(count, arguments, "bytes", 2 << 20);
    const long n = bench::option(count, arguments, "n", 200);
    const long rounds = bench::option(count, arguments, "rounds", 3);
    const std::string way = bench::text_option(count, arguments, "way", "results");
    const std::size_t doubles = static_cast<std::size_t>(bytes) / sizeof(double);
    const long workers = bench::option(count, arguments, "workers", 0);
    rankpool::ExecutorOptions pool;
    if (workers > 0) pool.max_workers = static_cast<int>(workers);
    rankpool::ProcessPoolExecutor executor(pool);
    executor.bootup();
    std::vector<double> times;
    std::vector<double> growth;
    double first = 0;
    for (long round = 0; round <= rounds; ++round) {  // the first is apart: no memory has been touched before
      std::vector<std::vector<double>> vectors;
      if (way != "results") vectors = some_vectors(n, doubles);
      bench::forget_peak_memory();
      const double before = bench::memory_bytes("VmRSS");
      const auto begin = bench::Clock::now();
      const bool right = way == "results" ? return_blocks(executor, n, doubles)
                         : way == "map"   ? map_vectors(executor, vectors)
                                          : submit_vectors(executor, std::move(vectors));
      const double seconds = bench::seconds_since(begin);
      if (!right) return 1;
      if (round == 0) {
        first = seconds;
        continue;
      }
      times.push_back(seconds);
      growth.push_back((bench::memory_bytes("VmHWM") - before) / static_cast<double>(bytes));
    }
    bench::Report()
        .add_times("seconds", times)
        .add("first_seconds", first)
        .add("ms_each", 1e3 * bench::quantile(times, 0.5) / static_cast<double>(n))
        .add("peak_growth_in_values", bench::quantile(growth, 1))
        .add("workers", executor.num_workers())
        .print();
    return 0;
  });
}
