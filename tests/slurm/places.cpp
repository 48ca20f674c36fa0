// Says how many workers each rank can hold, and how many of them worked when each had to:  places [MAX-WORKERS]
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace {

/// Ends once all have begun, so that no worker can take two.
std::pair<int, pid_t> meet(rankpool::Value<int> begun, int all) {
  {
    rankpool::Lock lock = begun.get_lock();
    const std::scoped_lock held(lock);
    begun.set(begun.get() + 1);
  }
  while (begun.get() < all) ::poll(nullptr, 0, 5);
  return {rankpool::this_worker().rank, rankpool::this_worker().pid};
}

int app(int argc, char** argv) {
  rankpool::ExecutorOptions options;
  if (argc > 1) options.max_workers = std::atoi(argv[1]);
  rankpool::ProcessPoolExecutor executor(options);
  const int all = executor.num_workers();
  const rankpool::Value<int> begun(0);
  std::vector<rankpool::Future<std::pair<int, pid_t>>> meetings;
  for (int i = 0; i < all; ++i) meetings.push_back(executor.submit(meet, begun, all));
  std::map<int, std::set<pid_t>> worked;
  for (const auto& meeting : meetings) {
    const auto [rank, pid] = meeting.result();
    worked[rank].insert(pid);
  }
  for (const auto& rank : rankpool::ranks()) {
    std::cout << "rank " << rank.rank << " on " << rank.host << ": " << worked[rank.rank].size() << " of "
              << rank.workers << " workers worked\n";
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
