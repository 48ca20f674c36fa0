// Strikes a job while it works, and checks what the program that goes on is told. Ends with the status it is given:
//   rank_loss WHOM break|replace STATUS
// WHOM is worker, idle, busy, two, all, keeper, rank_0, stopped, stopped_timeout; on virtual hosts host, power, cable,
// healed and host_0 too. Where the launcher ends the job instead, "told" in the output says that the program was told first.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr long kItems = 2000;

long square_slowly(long x) {
  ::poll(nullptr, 0, 2);
  return x * x;
}

/// Ends only with its worker.
void hang() {
  while (true) ::poll(nullptr, 0, -1);
}

struct Worker {
  int id;
  int rank;
  pid_t pid;
};

Worker who() {
  ::poll(nullptr, 0, 20);
  const auto& self = rankpool::this_worker();
  return {self.id, self.rank, self.pid};
}

void check(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

/// What befalls the job, and what is to become of it.
struct Blow {
  std::function<void()> strike;
  std::vector<rankpool::RankInfo> lost;             ///< ranks
  std::string how;                                  ///< part of each cause's text
  std::chrono::milliseconds told_within = 1s;       ///< far above what it takes, for machines under load
  std::function<void()> afterwards = [] {};         ///< once the loss was told
  bool idle = false;
};

std::chrono::milliseconds lost_after() {
  const char* const seconds = std::getenv("RANKPOOL_LOST_AFTER");
  return std::chrono::seconds(seconds == nullptr ? 10 : std::atoi(seconds));
}

/// Does that to a host: cut, heal or kill.
void virtual_cluster(const std::string& verb, const std::string& host) {
  const std::string command = std::string(std::getenv("VIRTUAL_CLUSTER")) + " " + verb + " " + host.substr(1);
  check(std::system(command.c_str()) == 0, command + " failed");  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
}

Blow blow_of(const std::string& whom) {
  const auto ranks = rankpool::ranks();
  const auto& last = ranks.back();
  Blow blow;
  blow.how = "SIGKILL";
  blow.idle = whom == "idle";
  if (whom == "idle" || whom == "busy" || whom == "keeper") blow.lost = {last};
  if (whom == "two") blow.lost = {ranks[1], last};
  if (whom == "all") blow.lost.assign(ranks.begin() + 1, ranks.end());
  if (!blow.lost.empty()) {
    std::vector<pid_t> pids;
    for (const auto& rank : blow.lost) pids.push_back(whom == "keeper" ? rank.keeper_pid : rank.pid);
    if (whom == "keeper") blow.how = "connection closed";
    blow.strike = [pids] {
      for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    };
    return blow;
  }
  if (whom == "rank_0") {
    blow.strike = [] { ::kill(::getpid(), SIGKILL); };
  } else if (whom == "host_0") {
    blow.strike = [host = ranks[0].host] { virtual_cluster("kill", host); };
  } else {
    const std::string host = last.host;
    check(host != ranks[0].host, "there is one host only");
    std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(blow.lost),
                 [&](const rankpool::RankInfo& rank) { return rank.host == host; });
    blow.strike = [whom, host] {
      if (whom != "host") virtual_cluster("cut", host);
      if (whom == "host" || whom == "power") virtual_cluster("kill", host);
    };
    blow.how = "lost: ";
    if (whom != "host") {
      blow.how = "no sign of life";
      blow.told_within = lost_after() + 2s;
    }
    if (whom == "healed") {
      blow.afterwards = [host] {
        virtual_cluster("heal", host);
        // The ranks that were cut off learn that they are out, and their launch daemon speaks to mpirun again.
        ::poll(nullptr, 0, 1500);
      };
    }
  }
  return blow;
}

void say_told(const std::string& what, Clock::duration after) {
  std::cout << "told after " << std::chrono::duration_cast<std::chrono::milliseconds>(after).count() << " ms: " << what
            << std::endl;
}

/// The cause of this one names what was lost.
void check_cause(const rankpool::BrokenProcessPool& error, const Blow& blow) {
  check(!error.causes().empty(), std::string("no cause: ") + error.what());
  for (const auto& cause : error.causes()) {
    check(std::any_of(blow.lost.begin(), blow.lost.end(),
                      [&](const rankpool::RankInfo& lost) {
                        return cause.worker == -1 && cause.rank == lost.rank && cause.host == lost.host &&
                               cause.pid == lost.pid;
                      }),
          "another rank, host or pid: " + cause.text);
    check(cause.text.find(blow.how) != std::string::npos, "not " + blow.how + ": " + cause.text);
  }
}

void wait_until_all_are_lost(const Blow& blow, Clock::time_point deadline) {
  while (true) {
    const auto ranks = rankpool::ranks();
    if (std::none_of(blow.lost.begin(), blow.lost.end(), [&](const rankpool::RankInfo& lost) {
          return ranks[static_cast<std::size_t>(lost.rank)].alive;
        })) {
      return;
    }
    check(Clock::now() < deadline, "the loss was not told");
    ::poll(nullptr, 0, 1);
  }
}

/// FUT: every pending future throws, and says what was lost.
void check_break(rankpool::ProcessPoolExecutor& executor, const Blow& blow) {
  std::vector<rankpool::Future<void>> futures;
  if (!blow.idle) {
    // More than there are workers: some run, the rest waits.
    for (int i = 0; i < 2 * executor.num_workers(); ++i) futures.push_back(executor.submit(hang));
    while (!futures[0].running()) ::poll(nullptr, 0, 1);
    ::poll(nullptr, 0, 50);
  }
  const auto begin = Clock::now();
  blow.strike();
  if (blow.idle) {
    wait_until_all_are_lost(blow, begin + blow.told_within);
    say_told("an idle rank", Clock::now() - begin);
    try {
      futures.push_back(executor.submit(hang));
    } catch (const rankpool::BrokenProcessPool& e) {
      check_cause(e, blow);
      return;
    }
  }
  for (const auto& future : futures) {
    try {
      future.result();
      throw std::logic_error("a future has a result");
    } catch (const rankpool::BrokenProcessPool& e) {
      if (&future == &futures.front()) say_told(e.what(), Clock::now() - begin);
      check_cause(e, blow);
    }
  }
  check(Clock::now() - begin < blow.told_within, "it was told late");
}

/// Every result is there, is right, and comes once.
void check_replace(rankpool::ProcessPoolExecutor& executor, const Blow& blow) {
  std::vector<long> items(kItems);
  std::iota(items.begin(), items.end(), 0L);
  Clock::time_point begin;
  std::thread watcher;
  const auto strike = [&] {
    begin = Clock::now();
    blow.strike();
    watcher = std::thread([&] {
      try {
        wait_until_all_are_lost(blow, begin + blow.told_within);
        say_told("replaced", Clock::now() - begin);
      } catch (const std::logic_error& e) {
        std::cout << "FAILED: " << e.what() << std::endl;
        std::_Exit(100);
      }
    });
  };
  if (blow.idle) strike();
  long next = 0;
  auto results = executor.map({.chunksize = 5}, square_slowly, items);
  for (const long value : results) {
    check(value == next * next, "a wrong result");
    if (++next == 1 && !blow.idle) strike();
  }
  watcher.join();
  check(next == kItems, "results are missing");
}

void check_new_executor(std::size_t lost) {
  const auto ranks = rankpool::ranks();
  const auto alive = std::count_if(ranks.begin(), ranks.end(), [](const auto& rank) { return rank.alive; });
  check(static_cast<std::size_t>(alive) + lost == ranks.size(), "another number of ranks is alive");
  rankpool::ProcessPoolExecutor executor;
  long next = 0;
  for (const long value : executor.map(square_slowly, std::vector<long>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})) {
    check(value == next * next, "a wrong result of the new executor");
    ++next;
  }
}

/// The loss of one worker of the last rank leaves the rank alone.
void lose_worker(rankpool::ProcessPoolExecutor& executor, bool replace) {
  const auto last = rankpool::ranks().back();
  Worker victim{};
  while (victim.rank != last.rank) {
    std::vector<rankpool::Future<Worker>> workers;
    for (int i = 0; i < executor.num_workers(); ++i) workers.push_back(executor.submit(who));
    for (const auto& worker : workers) {
      if (worker.result().rank == last.rank) victim = worker.result();
    }
  }
  Blow blow;
  blow.strike = [&] { ::kill(victim.pid, SIGKILL); };
  if (replace) return check_replace(executor, blow);
  auto pending = executor.submit(hang);
  const auto begin = Clock::now();
  blow.strike();
  try {
    pending.result();
    throw std::logic_error("a future has a result");
  } catch (const rankpool::BrokenProcessPool& e) {
    say_told(e.what(), Clock::now() - begin);
    check(Clock::now() - begin < blow.told_within, "it was told late");
    const auto& cause = e.causes().at(0);
    check(cause.worker == victim.id && cause.rank == victim.rank && cause.host == last.host &&
              cause.pid == victim.pid && cause.signal == "SIGKILL",
          "another cause: " + cause.text);
  }
}

/// A rank that is stopped is not dead, however long it takes.
void stop_a_rank(bool replace) {
  rankpool::ExecutorOptions options;
  if (replace) options.on_worker_death = rankpool::OnWorkerDeath::replace;
  rankpool::ProcessPoolExecutor executor(options);
  executor.bootup();
  const pid_t pid = rankpool::ranks().back().pid;
  std::vector<long> items(kItems);
  std::iota(items.begin(), items.end(), 0L);
  auto results = executor.map({.chunksize = 5}, square_slowly, items);
  check(results.next() == 0L, "a wrong result");
  ::kill(pid, SIGSTOP);
  std::thread waker([pid] {
    ::poll(nullptr, 0, static_cast<int>(2 * lost_after().count()));
    ::kill(pid, SIGCONT);
  });
  long next = 1;
  for (const long value : results) {
    check(value == next * next, "a wrong result");
    ++next;
  }
  waker.join();
  check(next == kItems, "results are missing");
}

/// What runs there still has its time limit.
void time_out_on_a_stopped_rank() {
  rankpool::ProcessPoolExecutor executor({.task_timeout = 500ms});
  executor.bootup();
  std::vector<rankpool::Future<void>> futures;
  for (int i = 0; i < executor.num_workers(); ++i) futures.push_back(executor.submit(hang));
  const pid_t pid = rankpool::ranks().back().pid;
  ::poll(nullptr, 0, 100);
  ::kill(pid, SIGSTOP);
  for (const auto& future : futures) {
    try {
      future.result(5s);
      throw std::logic_error("a future has a result");
    } catch (const rankpool::TaskTimeoutError& e) {
      std::cout << "told: " << e.what() << std::endl;
    }
  }
  ::kill(pid, SIGCONT);
}

int app(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string whom = argv[1];
  const bool replace = std::string(argv[2]) == "replace";
  // Where the launcher ends the job, the program has until SIGKILL to be told.
  std::signal(SIGTERM, SIG_IGN);
  try {
    rankpool::ExecutorOptions options;
    if (replace) {
      options.on_worker_death = rankpool::OnWorkerDeath::replace;
      options.max_retries = 5;
    }
    std::size_t lost = 0;
    if (whom == "stopped") {
      stop_a_rank(replace);
    } else if (whom == "stopped_timeout") {
      time_out_on_a_stopped_rank();
    } else {
      rankpool::ProcessPoolExecutor executor(options);
      executor.bootup();
      if (whom == "worker") {
        lose_worker(executor, replace);
      } else {
        const Blow blow = blow_of(whom);
        lost = blow.lost.size();
        replace ? check_replace(executor, blow) : check_break(executor, blow);
        blow.afterwards();
      }
    }
    check_new_executor(lost);
  } catch (const std::exception& e) {
    std::cout << "FAILED: " << e.what() << std::endl;
    return 100;
  }
  return std::atoi(argv[3]);
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
