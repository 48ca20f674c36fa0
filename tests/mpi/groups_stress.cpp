// Many tasks of several ranks of mixed sizes, of which a third end badly at random moments, and whose processes are
// killed from outside, too, if told so: every outcome is right, and none hangs.
//   groups_stress COUNT SEED [kill]
#include <rankpool/mpi.hpp>

#include <boost/mpi/collectives.hpp>

#include <poll.h>
#include <signal.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using boost::mpi::communicator;
using namespace std::chrono_literals;  // NOLINT

constexpr int kPlaces = 4;

enum class End { well, signal, exit, quit, abort, thrown };

struct Plan {
  int end = 0;    ///< an End
  int rank = 0;   ///< of whom
  int delay = 0;  ///< microseconds from the beginning
  int value = 0;
};

void end_badly(const communicator& world, End end) {
  switch (end) {
    case End::well:
      return;
    case End::signal:
      std::raise(SIGKILL);
      return;
    case End::exit:
      std::exit(3);
    case End::quit:
      ::_exit(0);
    case End::abort:
      world.abort(7);
      return;
    case End::thrown:
      throw std::domain_error("as planned");
  }
}

int run(const communicator& world, const Plan& plan) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(plan.delay);
  int sum = 0;
  do {  // the moment is anywhere in a stream of collective calls
    sum = boost::mpi::all_reduce(world, plan.value * (world.rank() + 1), std::plus<>());
    if (world.rank() == plan.rank && std::chrono::steady_clock::now() >= until) end_badly(world, End{plan.end});
    const int over = std::chrono::steady_clock::now() >= until && plan.end == 0 ? 1 : 0;
    if (boost::mpi::all_reduce(world, over, boost::mpi::minimum<int>()) != 0) return sum;
  } while (true);
}

/// Processes of groups on this node: younger than the workers of the executor, whose pids are known.
void kill_one(std::mt19937& random, const std::vector<pid_t>& spared) {
  std::vector<pid_t> found;
  for (const auto& rank : rankpool::ranks()) {
    const std::string keeper = std::to_string(rank.keeper_pid);
    std::ifstream children("/proc/" + keeper + "/task/" + keeper + "/children");
    for (pid_t child = 0; children >> child;) {
      bool spare = child == rank.pid;
      for (const pid_t pid : spared) spare |= pid == child;
      if (!spare) found.push_back(child);
    }
  }
  if (!found.empty()) ::kill(found[random() % found.size()], SIGKILL);
}

int stress(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 30;
  std::mt19937 random(argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1U);
  const bool killing = argc > 3 && std::string(argv[3]) == "kill";
  rankpool::ExecutorOptions options;
  options.max_workers = kPlaces;
  options.on_worker_death = rankpool::OnWorkerDeath::replace;
  rankpool::ProcessPoolExecutor executor(options);
  executor.bootup();
  std::vector<pid_t> spared;
  for (const auto& rank : rankpool::ranks()) {
    const std::string keeper = std::to_string(rank.keeper_pid);
    std::ifstream children("/proc/" + keeper + "/task/" + keeper + "/children");
    for (pid_t child = 0; children >> child;) spared.push_back(child);
  }
  std::atomic<bool> over{false};
  std::thread killer([&, own = std::mt19937(random())]() mutable {
    while (killing && !over) {
      ::poll(nullptr, 0, static_cast<int>(own() % 600));
      kill_one(own, spared);
    }
  });
  struct Group {
    rankpool::Future<int> future;
    Plan plan;
    int ranks = 0;
  };
  std::vector<Group> groups;
  for (int i = 0; i < count; ++i) {
    const int ranks = 1 + static_cast<int>(random() % kPlaces);
    Plan plan;
    plan.end = random() % 3 == 0 ? 1 + static_cast<int>(random() % 5) : 0;
    plan.rank = static_cast<int>(random() % static_cast<unsigned>(ranks));
    plan.delay = static_cast<int>(random() % 20'000);
    plan.value = static_cast<int>(random() % 1000);
    groups.push_back({executor.submit({.ranks = ranks}, run, plan), plan, ranks});
  }
  int wrong = 0;
  int well = 0;
  int lost = 0;
  int thrown = 0;
  const auto say = [&](const Group& group, const std::string& what) {
    ++wrong;
    std::printf("wrong: a group of %d, end %d of rank %d: %s\n", group.ranks, group.plan.end, group.plan.rank,
                what.c_str());
  };
  for (auto& group : groups) {
    const End end{group.plan.end};
    try {
      const int sum = group.future.result(120s);
      ++well;
      if (end != End::well || sum != group.plan.value * group.ranks * (group.ranks + 1) / 2) {
        say(group, "returned " + std::to_string(sum));
      }
    } catch (const rankpool::TerminatedWorkerError& e) {
      ++lost;
      if (!killing && (end == End::well || end == End::thrown)) say(group, e.what());
      const std::string culprit = "rank " + std::to_string(group.plan.rank) + " of " + std::to_string(group.ranks);
      if (!killing && std::string(e.what()).find(culprit) == std::string::npos) say(group, e.what());
    } catch (const std::domain_error&) {
      ++thrown;
      if (end != End::thrown) say(group, "threw");
    } catch (const std::exception& e) {
      say(group, e.what());
    }
  }
  over = true;
  killer.join();
  executor.shutdown();
  std::printf("%d groups: %d well, %d lost, %d threw, %d wrong\n", count, well, lost, thrown, wrong);
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, stress); }
