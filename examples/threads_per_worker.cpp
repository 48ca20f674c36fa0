// Tasks with two threads each: a worker for every two cores of the job, in which OpenMP, OpenBLAS and MKL use two
// threads. Compiled with -fopenmp the loop below is shared out by OpenMP; Eigen and BLAS do the same inside their own
// functions.
#include <rankpool/rankpool.hpp>

#include <cstdlib>
#include <iostream>
#include <vector>

double pi(long parts) {
  double sum = 0;
#pragma omp parallel for reduction(+ : sum)
  for (long i = 0; i < parts; ++i) {
    const double x = (static_cast<double>(i) + 0.5) / static_cast<double>(parts);
    sum += 4 / (1 + x * x);
  }
  return sum / static_cast<double>(parts);
}

/// What a program that a task starts is told, and libraries that it loads.
int threads() {
  const char* const number = std::getenv("OMP_NUM_THREADS");
  return number == nullptr ? 0 : std::atoi(number);
}

int app() {
  rankpool::ProcessPoolExecutor executor({.threads_per_worker = 2});
  for (const double value : executor.map(pi, std::vector{1000L, 100000L, 1000000L})) {
    std::cout << (value > 3.14159 && value < 3.1416) << '\n';
  }
  std::cout << executor.submit(threads).result() << " threads in each worker\n";
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
