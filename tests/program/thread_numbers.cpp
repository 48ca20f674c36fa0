// A rankpool program that tells how many threads OpenMP and BLAS libraries use in its tasks.
//   thread_numbers WAY BLAS-LIBRARY MKL-LIBRARY
// WAY: default, two, told (the program tells them 3 before `run`), used (OpenMP has run a region before `run`).
#include <rankpool/rankpool.hpp>

#include <dlfcn.h>
#include <omp.h>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

int (*g_blas_threads)() = nullptr;
int (*g_mkl_threads)() = nullptr;

int region() {
  int threads = 0;
#pragma omp parallel
  {
#pragma omp atomic
    ++threads;
  }
  return threads;
}

std::string numbers() {
  const char* const variable = std::getenv("OMP_NUM_THREADS");
  return "OpenMP " + std::to_string(omp_get_max_threads()) + ", region " + std::to_string(region()) + ", BLAS " +
         std::to_string(g_blas_threads()) + ", MKL " + std::to_string(g_mkl_threads()) + ", variable " +
         (variable == nullptr ? "none" : variable);
}

int app(int, char** argv) {
  const std::string way = argv[1];
  int cores = 0;
  for (const auto& rank : rankpool::ranks()) cores += rank.workers;
  if (way == "two") {
    rankpool::ProcessPoolExecutor executor({.threads_per_worker = 2});
    std::cout << executor.submit(numbers).result() << std::endl;
    executor.bootup();
    std::cout << (executor.num_workers() == std::max(1, cores / 2)) << std::endl;
    rankpool::Pool pool({.threads_per_worker = 3});
    std::cout << pool.apply(numbers) << std::endl;
    try {
      const rankpool::ProcessPoolExecutor wrong({.threads_per_worker = 0});
    } catch (const std::invalid_argument& e) {
      std::cout << e.what() << std::endl;
    }
    return 0;
  }
  rankpool::ProcessPoolExecutor executor(1);
  std::cout << executor.submit(numbers).result() << std::endl;
  return 0;
}

template <class Function>
Function find(const char* library, const char* name) {
  return reinterpret_cast<Function>(::dlsym(::dlopen(library, RTLD_NOW | RTLD_LOCAL), name));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argv[1];
  g_blas_threads = find<int (*)()>(argv[2], "openblas_get_num_threads");
  g_mkl_threads = find<int (*)()>(argv[3], "MKL_Get_Max_Threads");
  if (way == "told") {
    omp_set_num_threads(3);
    find<void (*)(int)>(argv[2], "openblas_set_num_threads")(3);
  }
  if (way == "used") {
    omp_set_num_threads(omp_get_num_procs() + 1);
    region();
    omp_set_num_threads(omp_get_num_procs());
  }
  return rankpool::run(argc, argv, app);
}
