// Sends a large vector to a worker, then gets one from it: on rank 0, or on rank 1 if there is one.
//   large SIZE FOLDER
// There is to be one worker for each rank. Tells the largest memory of each process, in units of the size; more than
// three fail. SUB-34, SUB-35
#include <rankpool/rankpool.hpp>

#include <poll.h>
#include <unistd.h>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kStep = 1'000'003;

/// Largest resident memory so far, in bytes.
double most_memory(const std::string& process) {
  std::ifstream status("/proc/" + process + "/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

std::vector<char> make(std::size_t size) {
  std::vector<char> data(size);
  for (std::size_t i = 0; i < size; i += kStep) data[i] = static_cast<char>(i / kStep % 101 + 1);
  data.back() = 'e';
  return data;
}
bool is_whole(const std::vector<char>& data, std::size_t size) {
  if (data.size() != size || data.back() != 'e') return false;
  for (std::size_t i = 0; i + 1 < size; i += kStep) {
    if (data[i] != static_cast<char>(i / kStep % 101 + 1)) return false;
  }
  return true;
}
std::pair<int, double> rank_and_memory() { return {rankpool::this_worker().rank, most_memory("self")}; }

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
void wait_for(const std::string& path) {
  while (!exists(path)) ::poll(nullptr, 0, 2);
}
/// Keeps its worker until it is let go.
void hold(const std::string& folder) {
  const std::string rank = std::to_string(rankpool::this_worker().rank);
  std::ofstream(folder + "/held-" + rank).put('.');
  wait_for(folder + "/go-" + rank);
}

int app(int, char** argv) {
  const std::size_t size = std::stoull(argv[1]);
  const std::string folder = argv[2];
  const auto ranks = rankpool::ranks();
  rankpool::ProcessPoolExecutor executor(static_cast<int>(ranks.size()));
  const bool remote = ranks.size() > 1;
  if (remote) {
    const std::vector held{executor.submit(hold, folder), executor.submit(hold, folder)};
    wait_for(folder + "/held-0");
    wait_for(folder + "/held-1");
    std::ofstream(folder + "/go-1").put('.');
    while (!held[0].done() && !held[1].done()) ::poll(nullptr, 0, 2);
  }
  if (!executor.submit(is_whole, make(size), size).result()) {
    std::cout << "the argument has not come whole\n";
    return 1;
  }
  if (!is_whole(executor.submit(make, size).get_ref(), size)) {
    std::cout << "the result has not come whole\n";
    return 1;
  }
  const auto [rank, of_worker] = executor.submit(rank_and_memory).result();
  std::ofstream(folder + "/go-0").put('.');
  const auto unit = static_cast<double>(size);
  std::vector<std::pair<std::string, double>> processes{{"main", most_memory("self")}, {"worker", of_worker}};
  if (remote) processes.emplace_back("agent", most_memory(std::to_string(ranks[1].pid)));
  bool modest = true;
  for (const auto& [name, memory] : processes) {
    std::cout << name << ' ' << memory / unit << std::endl;
    modest &= memory / unit < 3.2;
  }
  return modest && rank == (remote ? 1 : 0) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return rankpool::run(argc, argv, app); }
