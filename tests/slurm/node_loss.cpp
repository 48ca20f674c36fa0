// Goes through the loss of a whole node, and ends with the status it is given:  node_loss STATUS
// It makes the file $RANKPOOL_TEST_GATE once the node may be lost. A task that has come to another node than rank 0's
// then waits for that loss, so the map cannot end before it.
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace {

constexpr long kItems = 2000;

long square_unless_doomed(const std::string& home, long x) {
  while (x >= kItems / 2 && rankpool::this_worker().host != home) ::poll(nullptr, 0, 1000);
  return x * x;
}

int failed(const std::string& what) {
  std::cout << "FAILED: " << what << '\n';
  return 100;
}

int app(int argc, char** argv) {
  const char* const gate = std::getenv("RANKPOOL_TEST_GATE");
  if (argc != 2 || gate == nullptr) return failed("a status and a gate are wanted");
  const auto before = rankpool::ranks();
  if (before.front().host == before.back().host) return failed("all ranks are on one node");
  std::vector<long> items(kItems);
  std::iota(items.begin(), items.end(), 0L);
  rankpool::ProcessPoolExecutor executor({.on_worker_death = rankpool::OnWorkerDeath::replace, .max_retries = 1});
  executor.bootup();
  auto results = executor.map({.chunksize = 5}, rankpool::partial(square_unless_doomed, before.front().host), items);
  long expected = 0;
  for (const long value : results) {
    if (value != expected * expected) return failed("a wrong result");
    if (++expected == kItems / 2) std::ofstream{gate};
  }
  if (expected != kItems) return failed("results are missing");
  // The processes of a node do not die all at once: the last result may come before its rank is gone.
  while (rankpool::ranks().back().alive) ::poll(nullptr, 0, 5);
  if (!rankpool::ranks().front().alive) return failed("rank 0 counts as lost");
  std::cout << "all " << kItems << " results\n";
  return std::atoi(argv[1]);
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
