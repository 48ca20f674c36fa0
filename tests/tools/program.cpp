// A rankpool program that ends in whatever way its arguments say.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

namespace {

int square(int x) { return x * x; }

/// Leaves a file with our process ids, so that the test knows that the job is up.
void leave_mark(const std::string& path) {
  std::ofstream(path + ".part") << ::getpid() << '\n';
  std::rename((path + ".part").c_str(), path.c_str());
}

volatile std::sig_atomic_t g_received = 0;

/// Works on all ranks, then kills one (its keeper too, if `all`), then works on.
void lose_a_rank(bool all) {
  rankpool::ProcessPoolExecutor executor;
  executor.bootup();
  const auto ranks = rankpool::ranks();
  const auto& victim = ranks.back();
  if (all) ::kill(victim.keeper_pid, SIGKILL);
  ::kill(victim.pid, SIGKILL);
  while (rankpool::ranks().back().alive) ::poll(nullptr, 0, 5);
}

int app(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::string argument = argc > 2 ? argv[2] : "";
  if (what == "ranks") {
    rankpool::ProcessPoolExecutor executor;
    std::cout << rankpool::ranks().size() << " ranks, " << rankpool::ranks().front().workers << " workers, 7^2 is "
              << executor.submit(square, 7).result() << std::endl;
    return 0;
  }
  if (what == "echo") {
    std::string line;
    std::getline(std::cin, line);
    std::cout << line << std::endl;
    return 0;
  }
  if (what == "exit") return std::stoi(argument);
  if (what == "signal") {
    std::raise(std::stoi(argument));
    return 0;
  }
  if (what == "lose-rank" || what == "lose-keeper") {
    lose_a_rank(what == "lose-keeper");
    if (argument == "signal") std::raise(SIGSEGV);
    return std::stoi(argument);
  }
  if (what == "wait") {
    for (const int signal : {SIGUSR1, SIGUSR2}) std::signal(signal, [](int number) { g_received = number; });
    leave_mark(argument);
    while (g_received == 0) ::poll(nullptr, 0, 10);
    return g_received == SIGUSR1 ? 41 : 42;
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
