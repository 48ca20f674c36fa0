// An MPI program with a pool phase. All ranks solve a boundary value problem together, as MPI programs do; in between
// the cells that are worst are refined, which takes very different times, so that a pool shares them out better than a
// fixed split would.
#include <rankpool/mpi.hpp>

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/environment.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <vector>

namespace mpi = boost::mpi;

/// Solves u'' = -1 on (0, 1), u(0) = u(1) = 0, on a grid of which each rank holds a part. Returns the middle's value.
double solve(const mpi::communicator& world, int cells) {
  const int own = cells / world.size() + (world.rank() < cells % world.size() ? 1 : 0);
  std::vector<double> u(static_cast<std::size_t>(own) + 2, 0.0);
  const double h = 1.0 / (cells + 1);
  const int left = world.rank() - 1;
  const int right = world.rank() + 1 < world.size() ? world.rank() + 1 : -1;
  for (int sweep = 0; sweep < 4000; ++sweep) {
    std::vector<mpi::request> requests;
    const double first = u[1];
    const double last = u[static_cast<std::size_t>(own)];
    if (left >= 0) requests.push_back(world.isend(left, 0, first));
    if (right >= 0) requests.push_back(world.isend(right, 0, last));
    if (left >= 0) world.recv(left, 0, u.front());
    if (right >= 0) world.recv(right, 0, u.back());
    mpi::wait_all(requests.begin(), requests.end());
    std::vector<double> next = u;
    for (std::size_t i = 1; i + 1 < u.size(); ++i) next[i] = 0.5 * (u[i - 1] + u[i + 1] + h * h);
    u = next;
  }
  const double highest = *std::max_element(u.begin(), u.end());
  return mpi::all_reduce(world, highest, mpi::maximum<double>());
}

/// Refines one cell: some take a thousand times as long as others.
double refine(int cell) {
  double sum = 0;
  const int steps = 1000 << (cell % 10);
  for (int i = 0; i < steps; ++i) sum += std::sin(cell + i * 1e-3) / steps;
  return std::abs(sum) <= 1 ? 1.0 : 0.0;
}

int main(int argc, char** argv) {
  rankpool::prepare(argc, argv);  // in place of run(), before MPI is initialised
  const mpi::environment environment(argc, argv);
  const mpi::communicator world;

  const double before = solve(world, 40);  // the program's own MPI work, on all ranks
  double refined = 0;
  if (rankpool::CommExecutor executor(world); executor) {  // true on rank 0 only; the others serve meanwhile
    std::vector<int> cells(40);
    for (int i = 0; i < 40; ++i) cells[static_cast<std::size_t>(i)] = i;
    for (const double one : executor->map(refine, cells)) refined += one;
  }
  mpi::broadcast(world, refined, 0);
  const double after = solve(world, 40);  // and more of it

  if (world.rank() == 0) {
    std::cout << "highest " << std::round(before * 1000) / 1000 << ", refined " << refined << " cells, highest "
              << std::round(after * 1000) / 1000 << '\n';
  }
  return 0;
}
