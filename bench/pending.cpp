// What a pending one-item task costs rank 0: time and memory for N submits in one go, handle included, while the only
// worker is busy with something else.
#include "measure.hpp"

#include <rankpool/rankpool.hpp>

#include <thread>

namespace {

long twice(long x) { return 2 * x; }

void block_for(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace

int main(int argc, char** argv) {
  return rankpool::run(argc, argv, [](int count, char** arguments) {
    const long n = bench::option(count, arguments, "n", 200'000);
    rankpool::ProcessPoolExecutor executor(1);
    executor.submit(twice, 1).result();
    std::vector<rankpool::Future<long>> futures;
    futures.reserve(static_cast<std::size_t>(n));
    const auto blocker = executor.submit(block_for, 3.0 + static_cast<double>(n) * 5e-6);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const double before = bench::memory_bytes("VmRSS");
    const auto begin = bench::Clock::now();
    for (long i = 0; i < n; ++i) futures.push_back(executor.submit(twice, i));
    const double submitted = bench::seconds_since(begin);
    std::this_thread::sleep_for(std::chrono::seconds(2));  // the engine takes them in
    const double after = bench::memory_bytes("VmRSS");
    blocker.result();
    const auto drain = bench::Clock::now();
    long sum = 0;
    for (const auto& future : futures) sum += future.result();
    const auto each = static_cast<double>(n);
    bench::Report()
        .add("bytes_each", (after - before) / each)
        .add("submit_s", submitted / each)
        .add("drain_s", bench::seconds_since(drain) / each)
        .print();
    return sum == n * (n - 1) ? 0 : 1;
  });
}
