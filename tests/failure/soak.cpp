// Random loads while random workers and ranks are killed; every result is checked.
//   soak SECONDS [SEED]
// Exit status 0: each item had its own outcome, once, and it was right.
#include <rankpool/rankpool.hpp>

#include <sys/types.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Random = std::mt19937_64;

long pick(Random& random, long from, long to) { return std::uniform_int_distribution<long>(from, to)(random); }

std::uint64_t mixed(std::uint64_t n) {
  n = (n ^ n >> 31U) * 0x7fb5d329728ea185U;
  return (n ^ n >> 27U) * 0x81dadef4bc2dd44dU;
}

bool is_bad(long item) { return mixed(static_cast<std::uint64_t>(item)) % 101 == 0; }

long expected(long item) { return static_cast<long>(mixed(static_cast<std::uint64_t>(item)) >> 1U); }

long work(long item, int microseconds) {
  if (microseconds > 0) {
    const auto until = Clock::now() + std::chrono::microseconds(mixed(static_cast<std::uint64_t>(item)) %
                                                                static_cast<std::uint64_t>(microseconds));
    while (Clock::now() < until) {
    }
  }
  if (is_bad(item)) throw std::out_of_range("item " + std::to_string(item));
  return expected(item);
}

std::vector<long> grow(const std::vector<long>& items) {
  std::vector<long> results;
  for (const long item : items) results.push_back(expected(item));
  return results;
}

/// Kills until the time is over.
class Killer {
 public:
  Killer(std::uint64_t seed, Clock::time_point until) : random_(seed), until_(until) {
    const auto number = static_cast<std::int64_t>(rankpool::ranks().size());
    between_ranks_ = (until - Clock::now()) / (number + 1);
    next_rank_ = Clock::now() + between_ranks_;
    thread_ = std::thread([this] { run(); });
  }
  ~Killer() { thread_.join(); }
  std::atomic<int> workers_killed{0};
  std::atomic<int> ranks_killed{0};

 private:
  void run() {
    while (Clock::now() < until_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pick(random_, 1, 200)));
      const auto all = rankpool::ranks();
      const auto& one = all[static_cast<std::size_t>(pick(random_, 0, static_cast<long>(all.size()) - 1))];
      if (!one.alive) continue;
      if (one.rank != 0 && Clock::now() > next_rank_) {
        next_rank_ += between_ranks_;
        if (::kill(one.pid, SIGKILL) == 0) ++ranks_killed;
        continue;
      }
      std::vector<pid_t> children;
      const std::string keeper = std::to_string(one.keeper_pid);
      std::ifstream file("/proc/" + keeper + "/task/" + keeper + "/children");
      for (pid_t child = 0; file >> child;) {
        if (child != one.pid) children.push_back(child);
      }
      if (children.empty()) continue;
      const pid_t victim = children[static_cast<std::size_t>(pick(random_, 0, static_cast<long>(children.size()) - 1))];
      if (::kill(victim, pick(random_, 0, 1) == 0 ? SIGKILL : SIGSEGV) == 0) ++workers_killed;
    }
  }
  Random random_;
  const Clock::time_point until_;
  Clock::duration between_ranks_{};
  Clock::time_point next_rank_;
  std::thread thread_;
};

struct Tally {
  long items = 0;
  long right = 0;
  long thrown = 0;  ///< the tasks' own exceptions
  long broken = 0;  ///< told that their worker or pool was lost
  long wrong = 0;
  long rounds = 0;

  void complain(const std::string& what) {
    constexpr long enough_said = 20;
    if (++wrong <= enough_said) std::cerr << "soak: " << what << std::endl;
  }
  template <class Take>
  void take(long item, bool may_break, Take&& take_one) {
    ++items;
    try {
      if (take_one() == expected(item) && !is_bad(item)) {
        ++right;
      } else {
        complain("a wrong result of item " + std::to_string(item));
      }
    } catch (const std::out_of_range& e) {
      if (is_bad(item) && e.what() == "item " + std::to_string(item)) {
        ++thrown;
      } else {
        complain("item " + std::to_string(item) + " threw '" + e.what() + "'");
      }
    } catch (const rankpool::BrokenProcessPool& e) {
      ++broken;
      if (!may_break) complain("item " + std::to_string(item) + " was lost: " + e.what());
    } catch (const std::exception& e) {
      complain("item " + std::to_string(item) + " threw '" + e.what() + "'");
    }
  }
};

std::vector<long> some_items(Random& random, long most) {
  std::vector<long> items(static_cast<std::size_t>(pick(random, 0, most)));
  for (auto& item : items) item = static_cast<long>(random() >> 1U);
  return items;
}

/// The results came to their end.
struct Ended {};

void map_round(Random& random, rankpool::ProcessPoolExecutor& executor, bool may_break, Tally& tally) {
  const auto items = some_items(random, 5000);
  const std::vector<int> length(items.size(), static_cast<int>(pick(random, 0, 2) * 400));
  rankpool::MapOptions options;
  if (pick(random, 0, 1) == 0) options.chunksize = static_cast<int>(pick(random, 1, 50));
  if (pick(random, 0, 3) == 0) options.buffersize = static_cast<int>(pick(random, 1, 100));
  auto results = executor.map(options, work, items, length);
  bool broken_before = false;
  for (const long item : items) {
    const long broken = tally.broken;
    try {
      tally.take(item, may_break, [&] {
        auto result = results.next();
        if (!result) throw Ended();
        return *result;
      });
    } catch (const Ended&) {
      --tally.items;
      // Where the input is read as it goes, what a broken pool never read is not told one by one.
      if (!options.buffersize || !broken_before) tally.complain("a result is missing");
      return;
    }
    broken_before |= tally.broken != broken;
  }
  if (results.next()) tally.complain("a result too many");
}

void submit_round(Random& random, rankpool::ProcessPoolExecutor& executor, bool may_break, Tally& tally) {
  const auto items = some_items(random, 500);
  std::vector<rankpool::Future<long>> futures;
  for (const long item : items) {
    try {
      futures.push_back(executor.submit(work, item, 500));
    } catch (const rankpool::BrokenProcessPool&) {
      if (!may_break) throw;
      break;
    }
  }
  for (std::size_t i = 0; i < futures.size(); ++i) {
    tally.take(items[i], may_break, [&] { return futures[i].result(); });
  }
}

void large_round(Random& random, rankpool::ProcessPoolExecutor& executor, bool may_break, Tally& tally) {
  std::vector<std::vector<long>> arguments(static_cast<std::size_t>(pick(random, 1, 20)));
  for (auto& argument : arguments) argument = some_items(random, 200'000);
  auto results = executor.map(grow, arguments);
  for (const auto& argument : arguments) {
    ++tally.items;
    try {
      const auto result = results.next();
      if (result && result == grow(argument)) {
        ++tally.right;
      } else {
        tally.complain("a wrong large result");
      }
    } catch (const rankpool::BrokenProcessPool& e) {
      ++tally.broken;
      if (!may_break) tally.complain(std::string("a large item was lost: ") + e.what());
    }
  }
}

int app(int argc, char** argv) {
  const auto seconds = std::chrono::seconds(argc > 1 ? std::stoi(argv[1]) : 30);
  const std::uint64_t seed = argc > 2 ? std::stoull(argv[2]) : std::random_device()();
  Random random(seed);
  Tally tally;
  const auto until = Clock::now() + seconds;
  {
    Killer killer(seed + 1, until);
    while (Clock::now() < until) {
      const bool may_break = pick(random, 0, 2) == 0;
      rankpool::ExecutorOptions options;
      if (!may_break) options.on_worker_death = rankpool::OnWorkerDeath::replace;
      options.max_retries = 1000;
      options.max_workers = static_cast<int>(pick(random, 1, 8));
      if (pick(random, 0, 4) == 0) options.max_tasks_per_child = static_cast<int>(pick(random, 1, 20));
      rankpool::ProcessPoolExecutor executor(options);
      for (long round = pick(random, 1, 4); round > 0 && Clock::now() < until; --round, ++tally.rounds) {
        try {
          const long kind = pick(random, 0, 5);
          if (kind < 3) {
            map_round(random, executor, may_break, tally);
          } else if (kind < 5) {
            submit_round(random, executor, may_break, tally);
          } else {
            large_round(random, executor, may_break, tally);
          }
        } catch (const rankpool::BrokenProcessPool& e) {  // by map itself: the pool broke before
          if (!may_break) tally.complain(std::string("the pool broke: ") + e.what());
          break;
        }
      }
    }
    std::cout << "soak: seed " << seed << ", " << tally.rounds << " rounds, " << tally.items
              << " items: " << tally.right << " results, " << tally.thrown << " exceptions, " << tally.broken
              << " told lost; " << killer.workers_killed << " workers and " << killer.ranks_killed << " ranks killed; "
              << tally.wrong << " lost or wrong" << std::endl;
  }
  return tally.wrong == 0 && tally.right > 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
