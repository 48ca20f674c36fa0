#include "base/oversubscription.hpp"

#include "base/cores.hpp"

#include <algorithm>

namespace rankpool::base {
namespace {

std::string count_of(int count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

int workers_of_each_rank(const NodeLoad& node) {
  const int ranks = std::max(node.ranks, 1);
  return node.workers / ranks + (node.workers % ranks != 0 ? 1 : 0);
}

/// How to get cores for so many workers of each rank, or else what to leave.
std::string way_out(int workers_of_each, StartedBy by, const std::string& fewer) {
  std::string more;
  if (by.slurm) more = "ask Slurm for --cpus-per-task=" + std::to_string(workers_of_each);
  if (by.mpirun) {
    more += by.slurm ? " and mpirun for --bind-to none" : "give mpirun more nodes or --bind-to none";
  }
  return more + (more.empty() ? "" : ", or ") + fewer;
}

constexpr const char* kUnset = "leave RANKPOOL_WORKERS unset";

}  // namespace

int NodeLoad::room() const { return std::max({cores, ranks, 1}); }

StartedBy started_by(const Lookup& lookup) {
  return {slurm_cores(lookup) > 0, lookup("OMPI_COMM_WORLD_RANK").has_value()};
}

std::string oversubscription_text(const NodeLoad& node, StartedBy by) {
  return count_of(node.workers, "worker") + " share " + count_of(node.cores, "core") + ": " +
         way_out(workers_of_each_rank(node), by, kUnset);
}

std::optional<std::string> oversubscription_warning(const std::vector<NodeLoad>& pool,
                                                    const std::vector<NodeLoad>& full, StartedBy by) {
  const NodeLoad* worst = nullptr;
  int others = 0;
  int workers_of_each = 0;
  int room = 0;
  int all = 0;
  for (const NodeLoad& node : pool) {
    room += node.room();
    all += node.workers;
    if (!node.oversubscribed()) continue;
    workers_of_each = std::max(workers_of_each, workers_of_each_rank(node));
    if (worst != nullptr) ++others;
    const auto fullness = [](const NodeLoad& one) { return one.workers / static_cast<double>(one.room()); };
    if (worst == nullptr || fullness(node) > fullness(*worst)) worst = &node;
  }
  if (worst == nullptr) return std::nullopt;
  const bool told = std::any_of(full.begin(), full.end(), [](const NodeLoad& node) { return node.oversubscribed(); });
  std::string text = all > worst->workers ? std::to_string(worst->workers) + " of " : "";
  text += count_of(all, "worker") + " share " + count_of(worst->cores, "core") + " on ";
  text += worst->ranks == 1 ? "rank " + std::to_string(worst->first_rank) + " (" + worst->host + ")" : worst->host;
  if (others > 0)
    text += ", and " + count_of(others, "other node") + (others == 1 ? " is" : " are") + " crowded too";
  text += ": " + way_out(workers_of_each, by, told ? kUnset : "take at most " + count_of(room, "worker") + " in all");
  return text + "; RANKPOOL_LOG=error hides this";
}

}  // namespace rankpool::base
