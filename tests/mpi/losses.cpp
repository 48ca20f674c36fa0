// Ranks and hosts that are lost in the midst of a task of several ranks, or while a CommExecutor is open: what the
// program is told, and that it goes on.
//   losses group|comm rank|keeper|host break|replace
// Hosts are those of scripts/virtual-cluster. "told after" in the output shows that the program was told.
#include <rankpool/mpi.hpp>

#include <boost/mpi/collectives.hpp>
#include <boost/mpi/environment.hpp>

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using boost::mpi::communicator;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int kRanksOfTask = 3;

[[noreturn]] void fail(const std::string& what) {
  std::cout << "FAILED: " << what << std::endl;
  std::_Exit(100);
}
void check(bool holds, const std::string& what) {
  if (!holds) fail(what);
}
#define CHECK(condition) check(condition, #condition)

/// Says where it runs; the first time it then waits for what never comes.
int hang_once(const communicator& world, rankpool::Queue<int> where, rankpool::Value<int> times) {
  int before = world.rank() == 0 ? times.fetch_add(1) : 0;
  boost::mpi::broadcast(world, before, 0);
  if (before > 0) return world.size();
  where.put(rankpool::this_worker().rank);
  int never = 0;
  world.recv((world.rank() + 1) % world.size(), 1, never);
  return never;
}
int size_of(const communicator& world) { return world.size(); }

long square_slowly(long x) {
  ::poll(nullptr, 0, 1);
  return x * x;
}
void hang() {
  while (true) ::poll(nullptr, 0, -1);
}

struct Blow {
  std::string whom;
  rankpool::RankInfo victim;  ///< the rank, or one of those on the host
  Clock::time_point begin{};

  void strike() {
    begin = Clock::now();
    if (whom == "host") {
      const std::string command = std::string(std::getenv("VIRTUAL_CLUSTER")) + " kill " + victim.host.substr(1);
      check(std::system(command.c_str()) == 0, command + " failed");  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    } else {
      ::kill(whom == "keeper" ? victim.keeper_pid : victim.pid, SIGKILL);
    }
  }
  void told(const std::string& what) const {
    const auto after = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    std::cout << "told after " << after.count() << " ms: " << what << std::endl;
    check(after < 5s, "it was told late");
  }
  void check_cause(const rankpool::BrokenProcessPool& error) const {
    check(!error.causes().empty(), std::string("no cause: ") + error.what());
    for (const auto& cause : error.causes()) {
      const bool same = whom == "host" ? cause.host == victim.host : cause.rank == victim.rank;
      check(cause.worker == -1 && same, "another culprit: " + cause.text);
    }
  }
};

/// A host that is gone has taken its shared memory and its temporary files along; that of the tests shares them with
/// all.
void remove_what_a_host_takes_along(const std::vector<rankpool::RankInfo>& ranks, const std::string& host) {
  for (const auto& folder : {std::filesystem::path("/dev/shm"), std::filesystem::temp_directory_path()}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename();
      for (const auto& rank : ranks) {
        const std::string its = "rankpool-group-" + std::to_string(rank.keeper_pid) + "-";
        std::error_code ignored;
        if (rank.host == host && name.starts_with(its)) std::filesystem::remove_all(entry.path(), ignored);
      }
    }
  }
}

rankpool::ExecutorOptions options_for(bool replace) {
  rankpool::ExecutorOptions options;
  options.max_workers = static_cast<int>(rankpool::ranks().size());
  if (replace) {
    options.on_worker_death = rankpool::OnWorkerDeath::replace;
    options.max_retries = 3;
  }
  return options;
}

void lose_during_group(const std::string& whom, bool replace) {
  {
    rankpool::ProcessPoolExecutor executor(options_for(replace));
    executor.bootup();
    rankpool::Queue<int> where(0);
    rankpool::Value<int> times(0);
    auto future = executor.submit({.ranks = kRanksOfTask}, hang_once, where, times);
    int last = 0;
    for (int i = 0; i < kRanksOfTask; ++i) last = std::max(last, where.try_get_for(30s).value_or(0));
    CHECK(last > 0);
    const auto ranks = rankpool::ranks();
    Blow blow{whom, ranks.at(static_cast<std::size_t>(last))};
    blow.strike();
    if (whom == "host") remove_what_a_host_takes_along(ranks, blow.victim.host);
    if (replace) {
      check(future.result(60s) == kRanksOfTask, "another result");
      blow.told("tried again");
    } else {
      try {
        future.result(60s);
        fail("it has a result");
      } catch (const rankpool::TerminatedWorkerError& e) {
        blow.told(e.what());
        blow.check_cause(e);
      }
    }
  }
  rankpool::ProcessPoolExecutor executor(2);
  check(executor.submit({.ranks = 2}, size_of).result(60s) == 2, "a new executor does not run such tasks");
}

/// What has been submitted throws, or is done by those that are left.
void lose_during_pool(rankpool::ProcessPoolExecutor& executor, Blow& blow, bool replace) {
  if (!replace) {
    std::vector<rankpool::Future<void>> futures;
    for (int i = 0; i < 2 * executor.num_workers(); ++i) futures.push_back(executor.submit(hang));
    while (!futures[0].running()) ::poll(nullptr, 0, 1);
    blow.strike();
    for (const auto& future : futures) {
      try {
        future.result(60s);
        fail("it has a result");
      } catch (const rankpool::BrokenProcessPool& e) {
        if (&future == &futures.front()) blow.told(e.what());
        blow.check_cause(e);
      }
    }
    return;
  }
  std::vector<long> items(1500);
  std::iota(items.begin(), items.end(), 0L);
  long next = 0;
  for (const long value : executor.map({.chunksize = 5}, square_slowly, items)) {
    check(value == next * next, "a wrong result");
    if (++next == 1) blow.strike();
  }
  check(std::cmp_equal(next, items.size()), "results are missing");
  const auto ranks = rankpool::ranks();
  check(!ranks.at(static_cast<std::size_t>(blow.victim.rank)).alive, "the loss was not told");
  std::cout << "told after all: went on" << std::endl;
}

void lose_during_comm(const communicator& world, const std::string& whom, bool replace) {
  rankpool::CommOptions options;
  options.executor.max_workers = world.size();
  if (replace) {
    options.executor.on_worker_death = rankpool::OnWorkerDeath::replace;
    options.executor.max_retries = 3;
  }
  if (rankpool::CommExecutor executor(world, options); executor) {
    executor->bootup();
    Blow blow{whom, rankpool::ranks().back()};
    lose_during_pool(*executor, blow, replace);
  }
  // The ranks that are left come out of it. What MPI can still do is MPI's matter.
  std::cout << "came out of it" << std::endl;
  if (world.rank() == 0 && std::getenv("VIRTUAL_CLUSTER_DIR") != nullptr) {
    // With ranks of other hosts lost Open MPI 4's mpirun may wait for them for ever.
    ::poll(nullptr, 0, 1000);
    ::kill(::getppid(), SIGKILL);
  }
  std::_Exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[1] : "";
  const bool replace = argc == 4 && std::string(argv[3]) == "replace";
  // A launcher that ends the job sends this first; SIGKILL comes a second or two later.
  std::signal(SIGTERM, SIG_IGN);
  if (what == "group") {
    return rankpool::run(argc, argv, [](int, char** arguments) {
      try {
        lose_during_group(arguments[2], std::string(arguments[3]) == "replace");
      } catch (const std::exception& e) {
        fail(e.what());
      }
      return 0;
    });
  }
  if (what != "comm") return 2;
  rankpool::prepare(argc, argv);
  const boost::mpi::environment environment(argc, argv, boost::mpi::threading::single, false);
  try {
    lose_during_comm(communicator(), argv[2], replace);
  } catch (const std::exception& e) {
    fail(e.what());
  }
}
