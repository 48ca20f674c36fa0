// The ideal: --workers=W processes (default: all cores), each bound to a core, run --n tasks of --iterations=I between
// them in a loop, without any pool. Seconds from the common start to the last one's end.
#include "../measure.hpp"
#include "../work.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>

namespace {

std::vector<int> usable_cores() {
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

void bind_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

}  // namespace

int main(int argc, char** argv) {
  const auto cores = usable_cores();
  const long workers = bench::option(argc, argv, "workers", static_cast<long>(cores.size()));
  const long tasks = bench::option(argc, argv, "n", 1000);
  const long iterations = bench::option(argc, argv, "iterations", 1000);
  struct Shared {
    std::atomic<long> ready;
    std::atomic<bool> go;
  };
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& shared = *new (memory) Shared{};
  for (long worker = 0; worker < workers; ++worker) {
    if (::fork() != 0) continue;
    bind_to(cores[static_cast<std::size_t>(worker) % cores.size()]);
    ++shared.ready;
    while (!shared.go) ::sched_yield();
    for (long task = worker; task < tasks; task += workers) bench::spin(iterations);
    ::_exit(0);
  }
  while (shared.ready < workers) ::sched_yield();
  const auto begin = bench::Clock::now();
  shared.go = true;
  while (::wait(nullptr) > 0) continue;
  bench::Report().add("workers", static_cast<double>(workers)).add("seconds", bench::seconds_since(begin)).print();
  return 0;
}
