// Strikes its own job, and checks what the program that goes on is told. Ends with the status it is given:
//   rank_loss WHOM break|replace STATUS
// WHOM is worker; a rank: idle, busy, two, all, rank_0, keeper, stopped, stopped_timeout; a host: host (its processes
// are killed), power (those and its network), host_0; its cable: cable, healed. Hosts are those of
// scripts/virtual-cluster. "told after" in the output shows that the program was told, even if the launcher then ends
// the job. DLK-23, DLK-25, DLK-26, DLK-27, BRK-01, BRK-03
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr long kItems = 2000;

long square_slowly(long x) {
  ::poll(nullptr, 0, 1);
  return x * x;
}

/// The same, counted under the counter's lock: a rank that dies may hold that, or have it on lease.
long square_and_count(rankpool::Value<long> counter, long x) {
  const long square = square_slowly(x);
  rankpool::Lock lock = counter.get_lock();
  const std::scoped_lock held(lock);
  counter.set(counter.get() + 1);
  return square;
}

/// Ends only with its worker.
void hang() {
  while (true) ::poll(nullptr, 0, -1);
}

struct Worker {
  int id = -1;
  int rank = -1;
  pid_t pid = 0;
};

Worker who() {
  ::poll(nullptr, 0, 20);
  const auto& self = rankpool::this_worker();
  return {self.id, self.rank, self.pid};
}

/// Ends at once: what hangs would be waited for.
[[noreturn]] void fail(const std::string& what) {
  std::cout << "FAILED: " << what << std::endl;
  std::_Exit(100);
}

void check(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

/// What befalls the job, and what is to become of it.
struct Blow {
  std::function<void()> strike;
  std::vector<rankpool::RankInfo> lost;        ///< these ranks, and no others
  std::string how = "SIGKILL";                 ///< part of each cause's text
  std::chrono::milliseconds told_within = 1s;  ///< far above what it takes, for machines under load
  std::function<void()> afterwards = [] {};    ///< once the loss was told
  bool idle = false;                           ///< strike before there is work
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

Blow rank_blow(const std::string& whom, const std::vector<rankpool::RankInfo>& ranks) {
  Blow blow;
  blow.idle = whom == "idle";
  if (whom == "two") {
    blow.lost = {ranks[1], ranks.back()};
  } else if (whom == "all") {
    blow.lost.assign(ranks.begin() + 1, ranks.end());
  } else if (whom == "rank_0") {
    blow.lost = {ranks[0]};
  } else {
    blow.lost = {ranks.back()};
  }
  // A keeper takes its rank with it, and cannot say how that ended: the connection was closed, or reset.
  if (whom == "keeper") blow.how = "onnection ";
  blow.strike = [keeper = whom == "keeper", lost = blow.lost] {
    for (const auto& rank : lost) ::kill(keeper ? rank.keeper_pid : rank.pid, SIGKILL);
  };
  return blow;
}

Blow host_blow(const std::string& whom, const std::vector<rankpool::RankInfo>& ranks) {
  const std::string host = ranks.back().host;
  check(host != ranks[0].host, "there is one host only");
  Blow blow;
  if (whom == "host_0") {
    blow.strike = [host_0 = ranks[0].host] { virtual_cluster("kill", host_0); };
    return blow;
  }
  std::copy_if(ranks.begin(), ranks.end(), std::back_inserter(blow.lost),
               [&](const rankpool::RankInfo& rank) { return rank.host == host; });
  if (whom == "host") {
    blow.how = "lost: ";  // by SIGKILL if the rank's keeper outlived it long enough to say so
    blow.strike = [host] { virtual_cluster("kill", host); };
    return blow;
  }
  blow.how = "no sign of life";
  blow.told_within = lost_after() + 2s;
  blow.strike = [power = whom == "power", host] {
    virtual_cluster("cut", host);
    if (power) virtual_cluster("kill", host);
  };
  if (whom == "healed") {
    blow.afterwards = [host] {
      virtual_cluster("heal", host);
      // The ranks that were cut off learn that they are out, and their launch daemon speaks to mpirun again.
      ::poll(nullptr, 0, 1500);
    };
  }
  return blow;
}

Blow blow_of(const std::string& whom) {
  const auto ranks = rankpool::ranks();
  const bool host = whom == "host" || whom == "host_0" || whom == "power" || whom == "cable" || whom == "healed";
  return host ? host_blow(whom, ranks) : rank_blow(whom, ranks);
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

/// Every pending future throws, and says what was lost.
void check_break(rankpool::ProcessPoolExecutor& executor, const Blow& blow) {
  std::vector<rankpool::Future<void>> futures;
  if (!blow.idle) {
    // More than there are workers: some run, the rest waits.
    for (int i = 0; i < 2 * executor.num_workers(); ++i) futures.push_back(executor.submit(hang));
    while (!futures[0].running()) ::poll(nullptr, 0, 1);
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
      fail("a future has a result");
    } catch (const rankpool::BrokenProcessPool& e) {
      if (&future == &futures.front()) say_told(e.what(), Clock::now() - begin);
      check_cause(e, blow);
    }
  }
  check(Clock::now() - begin < blow.told_within, "it was told late");
}

/// Every result is there, is right, and comes once; what its task did under a lock is done.
void check_replace(rankpool::ProcessPoolExecutor& executor, const Blow& blow) {
  std::vector<long> items(kItems);
  std::iota(items.begin(), items.end(), 0L);
  Clock::time_point begin;
  std::thread watcher;
  const auto strike = [&] {
    begin = Clock::now();
    blow.strike();
    watcher = std::thread([&] {
      wait_until_all_are_lost(blow, begin + blow.told_within);
      say_told("replaced", Clock::now() - begin);
    });
  };
  if (blow.idle) strike();
  long next = 0;
  rankpool::Value<long> counter(0);
  auto results = executor.map({.chunksize = 5}, rankpool::partial(square_and_count, counter), items);
  for (const long value : results) {
    check(value == next * next, "a wrong result");
    if (++next == 1 && !blow.idle) strike();
  }
  watcher.join();
  check(next == kItems, "results are missing");
  check(counter.get_lock().try_lock_for(10s), "a lock is not free");
  check(counter.get() >= kItems, "what was done under a lock is lost");  // more: some items ran twice
  counter.get_lock().unlock();
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
    fail("a future has a result");
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
    ::poll(nullptr, 0, static_cast<int>((lost_after() + 1s).count()));
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

/// What has begun there still has its time limit.
void time_out_on_a_stopped_rank() {
  rankpool::ProcessPoolExecutor executor({.task_timeout = 1500ms});
  executor.bootup();
  std::vector<rankpool::Future<void>> futures;
  for (int i = 0; i < executor.num_workers(); ++i) futures.push_back(executor.submit(hang));
  const pid_t pid = rankpool::ranks().back().pid;
  // The time counts from the worker's word that the task has begun, and nothing shows when rank 0 has that.
  ::poll(nullptr, 0, 500);
  ::kill(pid, SIGSTOP);
  for (const auto& future : futures) {
    try {
      future.result(10s);
      fail("a future has a result");
    } catch (const rankpool::TaskTimeoutError& e) {
      std::cout << "told: " << e.what() << std::endl;
    } catch (const rankpool::TimeoutError&) {
      fail("a task has no time limit");
    }
  }
  ::kill(pid, SIGCONT);
}

int app(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string whom = argv[1];
  const bool replace = std::string(argv[2]) == "replace";
  // A launcher that ends the job sends this first; SIGKILL comes a second or two later.
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
    fail(e.what());
  }
  return std::atoi(argv[3]);
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
