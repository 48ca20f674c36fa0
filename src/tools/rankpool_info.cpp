#include "launch/mpi_version.hpp"
#include "launch/pmix.hpp"
#include "launch/uncoordinated.hpp"
#include "tools/info_facts.hpp"
#include "tools/info_report.hpp"
#include "tools/info_start.hpp"

#include <rankpool/rankpool.hpp>

#include <CLI/CLI.hpp>

#include <poll.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// How often each rank is measured; the quickest counts, since the rest is other work on its cores.
constexpr int kRounds = 7;
/// Rounds in which a rank that was passed over may still be met.
constexpr int kMostRounds = 20;
/// So long a task keeps its worker, so that the tasks of a round go to as many workers.
constexpr int kHoldMs = 4;

struct Visit {
  int rank = 0;
  std::int64_t inside_ns = 0;
};

Visit visit(int milliseconds) {
  const auto begin = Clock::now();
  ::poll(nullptr, 0, milliseconds);
  return {this_worker().rank, (Clock::now() - begin).count()};
}

std::pair<int, NodeFacts> tell_facts(int milliseconds) {
  ::poll(nullptr, 0, milliseconds);
  return {this_worker().rank, read_node_facts()};
}

/// One worker on each rank, so that as many tasks that begin together reach all of them.
void ask_ranks(std::vector<RankSight>& ranks) {
  ProcessPoolExecutor executor(
      {.max_workers = static_cast<int>(ranks.size()), .on_worker_death = OnWorkerDeath::replace});
  executor.bootup();
  const auto sight_of = [&](int rank) -> RankSight& { return ranks.at(static_cast<std::size_t>(rank)); };

  std::size_t missing = ranks.size();
  for (int round = 0; round < kMostRounds && missing > 0; ++round) {
    std::vector<Future<std::pair<int, NodeFacts>>> answers;
    for (std::size_t i = 0; i < ranks.size(); ++i)
      answers.push_back(executor.submit(tell_facts, kHoldMs * (1 + round)));
    for (auto& answer : answers) {
      auto [rank, facts] = answer.result();
      RankSight& sight = sight_of(rank);
      if (!sight.facts) --missing;
      sight.facts = std::move(facts);
    }
  }
  std::vector<int> seen(ranks.size());
  for (int round = 0; round < kMostRounds; ++round) {
    if (round >= kRounds && std::find(seen.begin(), seen.end(), 0) == seen.end()) break;
    std::vector<Future<Visit>> visits;
    std::vector<Clock::time_point> begun;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      begun.push_back(Clock::now());
      // One after the other comes back, so that none waits while another one's result is looked at.
      visits.push_back(executor.submit(visit, kHoldMs + static_cast<int>(i)));
    }
    for (std::size_t i = 0; i < visits.size(); ++i) {
      const Visit got = visits[i].result();
      const auto took = Clock::now() - begun[i] - std::chrono::nanoseconds(got.inside_ns);
      const double us = std::chrono::duration<double, std::micro>(took).count();
      auto& best = sight_of(got.rank).round_trip_us;
      best = std::min(best.value_or(us), us);
      ++seen[static_cast<std::size_t>(got.rank)];
    }
  }
}

int inform(const Start& start, const launch::Uncoordinated& uncoordinated, int argc, char** argv) {
  CLI::App app(
      "Prints what rankpool sees where it is started, and what would make it better. Start it as your program\n"
      "will be started: rankpool-info, mpirun rankpool-info, srun --mpi=pmix rankpool-info, rankpool-run\n"
      "rankpool-info. Its exit status is 1 if programs would not work there.",
      "rankpool-info");
  bool all = false;
  app.add_flag("--all", all, "A line for each rank, however many there are");
  app.set_version_flag("--version", "rankpool-info " RANKPOOL_VERSION);
  CLI11_PARSE(app, argc, argv);

  Sight sight;
  sight.start = start;
  sight.version = RANKPOOL_VERSION;
  sight.mpi = launch::mpi_version();
  if (start.launcher != Start::Launcher::bare) sight.pmix_trouble = launch::pmix_trouble();
  if (uncoordinated.count > 1) {
    sight.uncoordinated =
        std::to_string(uncoordinated.count) +
        " copies of the program were started that know nothing of each other: " + uncoordinated.advice;
  }
  for (const auto& rank : rankpool::ranks()) {
    sight.ranks.push_back({rank.rank, rank.host, rank.pid, rank.workers, rank.alive, {}, {}});
  }
  if (std::all_of(sight.ranks.begin(), sight.ranks.end(), [](const auto& rank) { return rank.alive; })) {
    ask_ranks(sight.ranks);
  }
  const Diagnosis diagnosis = diagnose(sight);
  constexpr std::size_t most_ranks = 32;
  std::cout << report(sight, diagnosis, all ? sight.ranks.size() : most_ranks);
  return diagnosis.problem.empty() ? 0 : 1;
}

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace
}  // namespace rankpool::tools

int main(int argc, char** argv) {
  using namespace rankpool::tools;
  const Start start = read_start(variable);
  const auto uncoordinated = rankpool::launch::find_uncoordinated(variable);
  if (uncoordinated.number > 0) return 1;  // the first one speaks for all
  return rankpool::run(argc, argv,
                       [&](int count, char** arguments) { return inform(start, uncoordinated, count, arguments); });
}
