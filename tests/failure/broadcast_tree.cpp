// Broadcasts between hosts, on those of scripts/virtual-cluster, two ranks to each:
//   broadcast_tree count|many|big|gone|RANKS...
//   count          how often one leaves rank 0, when all want it at once and when host after host does
//   many, big      ten thousand, and one of a gibibyte
//   gone           dropped while they are passed on, and those that come behind them
//   lost rank|host|stopped|power  a host that passes one on is lost in the midst of it, or stands still
// "copies:" in the output says how often a broadcast has left rank 0.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using rankpool::Broadcast;
using rankpool::partial;
using Numbers = std::vector<std::int64_t>;
using Clock = std::chrono::steady_clock;

/// Ends at once: what hangs would be waited for.
[[noreturn]] void fail(const std::string& what) {
  std::cout << "FAILED: " << what << std::endl;
  std::_Exit(100);
}
void check(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

Numbers numbers(std::size_t bytes) {
  Numbers all(bytes / sizeof(std::int64_t));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i * i);
  return all;
}
bool right(const Numbers& all) {
  for (std::size_t i = 0; i < all.size(); i += 509) {
    if (all[i] != static_cast<std::int64_t>(i * i)) return false;
  }
  return true;
}

/// -1: it was wrong; else the rank where it was looked at.
int look(Broadcast<Numbers> all, int) {
  ::poll(nullptr, 0, 5);  // so that every worker has its part
  return right(*all) ? rankpool::this_worker().rank : -1;
}
/// Looks only on that host: -2 elsewhere. Leaves a file of the host's name in `marks`, if that is a folder.
int look_on(Broadcast<Numbers> all, std::string host, std::string marks, int) {
  ::poll(nullptr, 0, 10);
  if (rankpool::this_worker().host != host) return -2;
  if (!right(*all)) return -1;
  if (!marks.empty()) std::ofstream(std::filesystem::path(marks) / host);
  return rankpool::this_worker().rank;
}
std::size_t marks(const std::filesystem::path& in) {
  const std::filesystem::directory_iterator all(in);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::vector<std::string> other_hosts() {
  std::vector<std::string> hosts;
  const auto ranks = rankpool::ranks();
  for (const auto& rank : ranks) {
    if (rank.host != ranks[0].host && std::find(hosts.begin(), hosts.end(), rank.host) == hosts.end()) {
      hosts.push_back(rank.host);
    }
  }
  check(hosts.size() >= 2, "there are too few hosts");
  return hosts;
}

void look_everywhere(rankpool::ProcessPoolExecutor& executor, const Broadcast<Numbers>& all) {
  const std::size_t ranks = rankpool::ranks().size();
  std::set<int> seen;
  for (int tries = 0; seen.size() < ranks && tries < 50; ++tries) {
    for (const int rank : executor.map({.chunksize = 1}, partial(look, all), std::vector<int>(4 * ranks))) {
      check(rank >= 0, "a broadcast is not what it was");
      seen.insert(rank);
    }
  }
  check(seen.size() == ranks, "not all ranks had a part");
}
void look_at_host(rankpool::ProcessPoolExecutor& executor, const Broadcast<Numbers>& all, const std::string& host) {
  const std::vector<int> items(4 * rankpool::ranks().size());
  for (int tries = 0; tries < 50; ++tries) {
    for (const int rank : executor.map({.chunksize = 1}, partial(look_on, all, host, std::string()), items)) {
      check(rank != -1, "a broadcast is not what it was");
      if (rank >= 0) return;
    }
  }
  fail("no task ran on " + host);
}

/// Counts what leaves rank 0.
class Count {
 public:
  explicit Count(std::size_t size) : size_(size) {}
  [[nodiscard]] std::uint64_t bytes() const { return rankpool::detail::broadcast_bytes_sent() - before_; }
  void expect_at_most(std::uint64_t copies, const std::string& when) const {
    std::cout << "copies: " << static_cast<double>(bytes()) / static_cast<double>(size_) << " of " << (size_ >> 20U)
              << " MiB, " << when << ", " << std::chrono::duration<double>(Clock::now() - begin_).count() << " s"
              << std::endl;
    check(bytes() >= size_, "no copy has left rank 0");
    check(bytes() <= copies * (size_ + 1000), "more than " + std::to_string(copies) + " copies have left rank 0");
  }

 private:
  const std::size_t size_;
  const Clock::time_point begin_ = Clock::now();
  const std::uint64_t before_ = rankpool::detail::broadcast_bytes_sent();
};

void count() {
  rankpool::ProcessPoolExecutor executor;
  executor.bootup();
  const auto hosts = other_hosts();
  const std::size_t size = std::size_t{64} << 20U;
  {
    const Count count(size);
    look_everywhere(executor, rankpool::broadcast(numbers(size)));
    count.expect_at_most(2, "all hosts at once");
  }
  const Count count(size);
  const auto all = rankpool::broadcast(numbers(size));
  for (const auto& host : hosts) look_at_host(executor, all, host);
  count.expect_at_most(1, "host after host");
}

void many() {
  rankpool::ProcessPoolExecutor executor;
  executor.bootup();
  const auto begin = Clock::now();
  std::vector<Broadcast<Numbers>> all;
  for (int i = 0; i < 10'000; ++i) all.push_back(rankpool::broadcast(numbers(8192)));
  for (int rounds = 0; rounds < 2; ++rounds) {
    for (const bool well : executor.map([](Broadcast<Numbers> one) { return right(*one); }, all)) {
      check(well, "a broadcast is not what it was");
    }
  }
  std::cout << "ten thousand, twice: " << std::chrono::duration<double>(Clock::now() - begin).count() << " s"
            << std::endl;
}

void big() {
  rankpool::ProcessPoolExecutor executor;
  executor.bootup();
  const std::size_t size = std::size_t{1} << 30U;
  const Count count(size);
  const auto all = rankpool::broadcast(numbers(size));
  const auto begin = Clock::now();
  for (const auto& host : other_hosts()) look_at_host(executor, all, host);
  std::cout << "a gibibyte: " << std::chrono::duration<double>(Clock::now() - begin).count() << " s" << std::endl;
  count.expect_at_most(1, "host after host");
}

void gone() {
  for (int round = 0; round < 20; ++round) {
    rankpool::ProcessPoolExecutor executor;
    executor.bootup();
    {
      const auto all = rankpool::broadcast(numbers(std::size_t{64} << 20U));
      const std::vector<int> items(4 * rankpool::ranks().size());
      auto results = executor.map({.chunksize = 1}, partial(look, all), items);
      ::poll(nullptr, 0, 4 * round);
      executor.kill_workers();  // nobody uses it any more
    }
    rankpool::ProcessPoolExecutor another;
    look_everywhere(another, rankpool::broadcast(numbers(100'000)));
  }
}

void virtual_cluster(const std::string& verb, const std::string& host) {
  const std::string command = std::string(std::getenv("VIRTUAL_CLUSTER")) + " " + verb + " " + host.substr(1);
  check(std::system(command.c_str()) == 0, command + " failed");  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
}

/// The first other host has all of it. The second is getting it from there when that is lost; so are others.
void lost(const std::string& whom) {
  const bool stopped = whom == "stopped";
  std::string dir = std::filesystem::temp_directory_path() / "broadcast_tree.XXXXXX";
  check(::mkdtemp(dir.data()) != nullptr, "no folder for marks");
  const std::unique_ptr<const std::string, void (*)(const std::string*)> remove(
      &dir, [](const std::string* folder) { std::filesystem::remove_all(*folder); });
  rankpool::ExecutorOptions options;
  options.on_worker_death = rankpool::OnWorkerDeath::replace;
  options.max_retries = 5;
  rankpool::ProcessPoolExecutor executor(options);
  executor.bootup();
  const auto hosts = other_hosts();
  const auto ranks = rankpool::ranks();
  const std::size_t size = std::size_t{256} << 20U;
  const Count count(size);
  const auto all = rankpool::broadcast(numbers(size));
  look_at_host(executor, all, hosts[0]);
  count.expect_at_most(1, "the first host");
  const auto of_first = [&](const std::function<void(pid_t)>& strike) {
    for (const auto& rank : ranks) {
      if (rank.host == hosts[0]) strike(rank.pid);
    }
  };
  const std::vector<int> items(4 * ranks.size());
  std::vector<rankpool::MapResults<int>> results;
  for (std::size_t i = 1; i < hosts.size(); ++i) {
    results.push_back(executor.map({.chunksize = 1}, partial(look_on, all, hosts[i], dir), items));
  }
  ::poll(nullptr, 0, 60);
  const auto begin = Clock::now();
  if (whom == "host") virtual_cluster("kill", hosts[0]);
  if (whom == "power") virtual_cluster("cut", hosts[0]), virtual_cluster("kill", hosts[0]);
  if (whom == "rank") of_first([](pid_t pid) { ::kill(pid, SIGKILL); });
  if (stopped) of_first([](pid_t pid) { ::kill(pid, SIGSTOP); });
  std::set<int> seen;
  // What a rank that is stopped has begun ends when it goes on; the others are not to wait for that.
  if (stopped) {
    const auto others = [&] { return marks(dir) >= hosts.size() - 1; };
    while (!others() && Clock::now() - begin < 20s) ::poll(nullptr, 0, 10);
    check(others(), "others wait for a rank that is stopped");
    std::cout << "others went on after " << std::chrono::duration<double>(Clock::now() - begin).count() << " s\n";
    of_first([](pid_t pid) { ::kill(pid, SIGCONT); });
  }
  for (auto& of_host : results) {
    for (const int rank : of_host) {
      check(rank != -1, "a broadcast is not what it was");
      if (rank >= 0) seen.insert(rank);
    }
  }
  std::cout << "all went on, " << std::chrono::duration<double>(Clock::now() - begin).count() << " s after the blow"
            << std::endl;
  check(!seen.empty(), "nobody looked at it");
  // One before, and after the loss one for each of the two that were getting it from there, at most.
  count.expect_at_most(std::min<std::size_t>(hosts.size(), 3), "with a loss");
}

int app(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  std::signal(SIGTERM, SIG_IGN);
  try {
    if (what == "count")
      count();
    else if (what == "many")
      many();
    else if (what == "big")
      big();
    else if (what == "gone")
      gone();
    else if (what == "lost" && argc > 2)
      lost(argv[2]);
    else
      return 2;
  } catch (const std::exception& e) {
    fail(e.what());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
