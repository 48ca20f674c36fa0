#include "behaviour/support.hpp"

#include <sys/stat.h>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using rankpool::Broadcast;
using rankpool::partial;
using Numbers = std::vector<std::int64_t>;

struct Broadcasts : Behaviour {};

/// Tells in the file system how often it was decoded, and is decoded in one process once.
struct Table {
  Numbers numbers;
  std::string gate;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& numbers& gate;
    if (Archive::is_loading::value) leave_mark(gate);
  }
};
std::int64_t sum_of(Broadcast<Table> table, int) {
  return std::accumulate(table->numbers.begin(), table->numbers.end(), std::int64_t{0});
}

TEST_F(Broadcasts, a_broadcast_is_decoded_once_in_each_worker_and_sent_once_to_each_rank_at_most) {
  const Gate gate;
  ProcessPoolExecutor executor(4);
  const std::uint64_t before = rankpool::detail::broadcast_bytes_sent();
  const std::size_t count = 1U << 20U;
  const auto table = rankpool::broadcast(Table{Numbers(count, 3), gate.name()});
  EXPECT_EQ(table->numbers.size(), count);
  for (auto sum : executor.map({.chunksize = 1}, partial(sum_of, table), std::vector<int>(40))) {
    ASSERT_EQ(sum, static_cast<std::int64_t>(3 * count));
  }
  EXPECT_LE(gate.marks(), 4U);
  const std::uint64_t ranks = rankpool::ranks().size() - 1;
  const std::uint64_t sent = rankpool::detail::broadcast_bytes_sent() - before;
  EXPECT_LE(sent, ranks * (count * 8 + 1000));
}

/// Who can find memory of each other's through /proc: ranks of one host and one name space of processes.
struct Place {
  int rank = -1;
  ino_t processes = 0;
  static Place own() {
    struct stat space {};
    ::stat("/proc/self/ns/pid", &space);
    return {rankpool::this_worker().rank, space.st_ino};
  }
};

TEST_F(Broadcasts, sixty_four_mebibytes_for_four_workers_are_sent_to_each_other_node_once_at_most) {
  const std::size_t count = 8U << 20U;
  ProcessPoolExecutor executor(4);
  const std::uint64_t before = rankpool::detail::broadcast_bytes_sent();
  const auto numbers = rankpool::broadcast(Numbers(count, 1));
  const auto ranks = rankpool::ranks();
  const auto look = [](const Broadcast<Numbers>& all, int) { return all->back() == 1 ? Place::own() : Place(); };
  std::set<std::pair<std::string, ino_t>> nodes;
  for (const auto& place : executor.map({.chunksize = 1}, partial(look, numbers), std::vector<int>(16))) {
    ASSERT_GE(place.rank, 0);
    nodes.emplace(ranks[static_cast<std::size_t>(place.rank)].host, place.processes);
  }
  const std::uint64_t sent = rankpool::detail::broadcast_bytes_sent() - before;
  // Ranks of rank 0's node find it where rank 0 has it; those of another where the first of them has it.
  struct stat own {};
  ASSERT_EQ(::stat("/proc/self/ns/pid", &own), 0);
  nodes.erase({ranks[0].host, own.st_ino});
  EXPECT_GE(sent, nodes.empty() ? 0 : count * 8);
  EXPECT_LE(sent, nodes.size() * (count * 8 + 1000));
}

// A process may have a thousand files open, or far fewer.
TEST_F(Broadcasts, ten_thousand_live_ones_work_and_hold_few_descriptors) {
  ProcessPoolExecutor executor(4);
  const auto descriptors = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  const auto before = descriptors();
  std::vector<Broadcast<int>> all;
  for (int i = 0; i < 10'000; ++i) all.push_back(rankpool::broadcast(i));
  EXPECT_LE(descriptors(), before + 130);
  int next = 0;
  for (const int value : executor.map([](Broadcast<int> one) { return *one; }, all)) ASSERT_EQ(value, next++);
  EXPECT_EQ(next, 10'000);
  EXPECT_LE(descriptors(), before + 130);
}

std::size_t resident(int) {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}
std::size_t size_of(Broadcast<Numbers> numbers) { return numbers->size(); }

/// This process's descriptors of broadcasts.
int open_broadcasts() {
  int found = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    if (std::filesystem::read_symlink(entry, gone).string().find("rankpool broadcast") != std::string::npos) ++found;
  }
  return found;
}

TEST_F(Broadcasts, a_broadcast_is_freed_everywhere_when_its_last_handle_goes) {
  if (kSanitized) GTEST_SKIP() << "sanitizers keep what was freed";
  const std::size_t count = 8U << 20U;
  ProcessPoolExecutor executor(1);
  ASSERT_TRUE(Gate::until([] { return open_broadcasts() == 0; }, 5s)) << "those of other tests are on their way out";
  Future<std::size_t> used;
  {
    const auto numbers = rankpool::broadcast(Numbers(count, 1));
    EXPECT_EQ(open_broadcasts(), 1);
    used = executor.submit(size_of, numbers);
  }
  EXPECT_EQ(used.result(kLong), count);
  EXPECT_TRUE(Gate::until([] { return open_broadcasts() == 0; }, 5s));
  EXPECT_TRUE(Gate::until([&] { return executor.submit(resident, 0).result(kLong) < 4 * count; }, 5s));
}

struct Bad {
  int x = 0;
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw_in_worker();
  }
  static void throw_in_worker() {
    if (rankpool::in_worker()) throw std::runtime_error("no such luck");
  }
};

TEST_F(Broadcasts, a_broadcast_that_cannot_be_decoded_fails_the_task_alone) {
  ProcessPoolExecutor executor(1);
  const auto bad = rankpool::broadcast(Bad{});
  auto future = executor.submit([](Broadcast<Bad> b) { return b->x; }, bad);
  EXPECT_THAT(thrown<rankpool::SerializationError>([&] { future.result(kLong); }), testing::HasSubstr("no such luck"));
  EXPECT_EQ(executor.submit(square, 3).result(kLong), 9);
}

}  // namespace
