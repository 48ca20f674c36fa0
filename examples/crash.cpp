// A task that crashes breaks its executor, not the program: the error says what happened, and a new executor works.
#include <rankpool/rankpool.hpp>

#include <csignal>
#include <iostream>

void crash() { std::raise(SIGSEGV); }

long square(long x) { return x * x; }

int app() {
  try {
    rankpool::ProcessPoolExecutor executor(2);
    executor.submit(crash).result();
  } catch (const rankpool::BrokenProcessPool& e) {
    std::cout << "lost by " << e.causes().at(0).signal << '\n';
  }
  rankpool::ProcessPoolExecutor executor(2);
  std::cout << "a new executor: " << executor.submit(square, 7).result() << '\n';

  // Or the work goes on without the worker, and only the task that killed it fails.
  rankpool::ProcessPoolExecutor sturdy(
      {.max_workers = 2, .on_worker_death = rankpool::OnWorkerDeath::replace, .max_retries = 1});
  auto lost = sturdy.submit(crash);
  auto fine = sturdy.submit(square, 8);
  std::cout << "beside a crash: " << fine.result() << '\n';
  try {
    lost.result();
  } catch (const rankpool::TerminatedWorkerError&) {
    std::cout << "the task itself is lost after its retry\n";
  }
  return 0;
}

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
