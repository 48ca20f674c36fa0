// A counter that all workers share, and a table that each of them gets once. Python: multiprocessing.Value and Lock.
#include <rankpool/rankpool.hpp>

#include <iostream>
#include <mutex>
#include <vector>

using rankpool::Broadcast;
using rankpool::Lock;
using rankpool::Value;

void count(Value<long> counter, long times) {
  Lock lock = counter.get_lock();
  for (long i = 0; i < times; ++i) {
    const std::scoped_lock held(lock);
    counter.set(counter.get() + 1);
  }
}

double weighted(Broadcast<std::vector<double>> weights, std::size_t index) { return 10 * (*weights)[index]; }

int app() {
  rankpool::ProcessPoolExecutor executor(4);

  Value<long> counter(0);
  std::vector<rankpool::Future<void>> futures;
  for (int worker = 0; worker < 4; ++worker) futures.push_back(executor.submit(count, counter, 100'000));
  for (const auto& future : futures) future.result();
  std::cout << "counted " << counter.get() << '\n';

  const auto weights = rankpool::broadcast(std::vector<double>{0.5, 1.0, 1.5});
  for (double value : executor.map(rankpool::partial(weighted, weights), std::vector<std::size_t>{0, 1, 2})) {
    std::cout << value << '\n';
  }
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
