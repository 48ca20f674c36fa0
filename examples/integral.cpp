// Each task is itself parallel: two processes integrate one strip of a function together, as an MPI job of their own.
// Which strips, and with which random numbers, is the pool's business: pi by Monte Carlo, the same however many
// workers.
#include <rankpool/mpi.hpp>

#include <boost/mpi/collectives.hpp>

#include <cstdint>
#include <functional>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <vector>

/// Points of strip `strip` that lie in the quarter circle. Its ranks share the points and add up what they find.
long hits(const boost::mpi::communicator& world, int strip, int strips, long points) {
  std::uint64_t state = static_cast<std::uint64_t>(strip * world.size() + world.rank()) * 7919 + 17;
  const auto uniform = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 11U) / static_cast<double>(1ULL << 53U);
  };
  long found = 0;
  for (long i = world.rank(); i < points; i += world.size()) {
    const double x = (strip + uniform()) / strips;
    const double y = uniform();
    found += x * x + y * y < 1 ? 1 : 0;
  }
  return boost::mpi::all_reduce(world, found, std::plus<>());
}

int app() {
  constexpr int kStrips = 8;
  constexpr long kPoints = 100'000;
  rankpool::ProcessPoolExecutor executor(4);  // two tasks of two ranks at a time
  const std::vector<int> strips{0, 1, 2, 3, 4, 5, 6, 7};
  long found = 0;
  for (const long of_strip : executor.map({.ranks = 2}, hits, strips, std::vector<int>(kStrips, kStrips),
                                          std::vector<long>(kStrips, kPoints))) {
    found += of_strip;
  }
  std::cout << "pi is about " << std::fixed << std::setprecision(2)
            << 4.0 * static_cast<double>(found) / (kStrips * kPoints) << '\n';
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
