#include "tools/info_report.hpp"

#include "tools/info_nodes.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace rankpool::tools {
namespace {

using Launcher = Start::Launcher;

/// "0-3,8": as taskset writes it.
std::string cores_text(const std::vector<std::uint32_t>& cores) {
  std::string text;
  for (std::size_t begin = 0; begin < cores.size();) {
    std::size_t end = begin;
    while (end + 1 < cores.size() && cores[end + 1] == cores[end] + 1) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(cores[begin]);
    if (end > begin) text += "-" + std::to_string(cores[end]);
    begin = end + 1;
  }
  return text;
}

std::string start_text(const Start& start) {
  std::string text;
  switch (start.launcher) {
    case Launcher::bare:
      text = "by itself, without MPI";
      break;
    case Launcher::mpirun:
      text = "mpirun";
      break;
    case Launcher::srun:
      text = "srun";
      break;
    case Launcher::unknown:
      text = "a launcher with PMIx";
      break;
  }
  if (start.by_rankpool_run) text += ", by rankpool-run";
  if (!start.slurm_job.empty()) {
    text +=
        ", in Slurm job " + start.slurm_job + " with " + plural(static_cast<std::size_t>(start.slurm_nodes), "node");
  }
  return text;
}

std::string recovery_text(const Sight& sight) {
  const Start& start = sight.start;
  if (start.launcher == Launcher::bare) return "the job survives the death of workers";
  std::string text = "the job survives the death of workers";
  if (!sight.pmix_trouble.empty()) return text + ", not of ranks";
  if (start.by_rankpool_run) {
    return text + ", of ranks, and of nodes" + (start.slurm_job.empty() ? "" : " if it was submitted with --no-kill");
  }
  if (start.recovery) return text + ", of ranks, and of nodes; mpirun's exit status is 0 whatever happens";
  return text + " and of ranks, not of nodes";
}

/// Columns as wide as what stands in them.
class Table {
 public:
  void row(std::vector<std::string> cells) {
    widths_.resize(std::max(widths_.size(), cells.size()));
    for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
    rows_.push_back(std::move(cells));
  }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const auto& cells : rows_) {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        line += cells[i] + std::string(i + 1 < cells.size() ? widths_[i] - cells[i].size() + 2 : 0, ' ');
      }
      text += line + "\n";
    }
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

std::string round_trip_text(const RankSight& rank) {
  if (!rank.alive) return "lost";
  if (!rank.round_trip_us) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.0f us", *rank.round_trip_us);
  return text.data();
}

std::string count_text(std::uint64_t count) {
  return count > (std::uint64_t{1} << 48U) ? "unlimited" : std::to_string(count);
}

}  // namespace

std::string report(const Sight& sight, const Diagnosis& diagnosis, std::size_t most_lines) {
  const std::vector<Node> nodes = nodes_of(sight);
  int workers = 0;
  for (const auto& node : nodes) workers += node.workers;
  const std::string size = plural(sight.ranks.size(), "rank") + " on " + plural(nodes.size(), "node") + ", " +
                           plural(static_cast<std::size_t>(workers), "worker");
  std::string settings;
  for (const auto& setting : sight.start.settings) settings += (settings.empty() ? "" : " ") + setting;

  Table head;
  head.row({"rankpool", sight.version});
  head.row({"MPI", sight.mpi});
  head.row({"started", start_text(sight.start)});
  head.row({"job", size});
  head.row({"losses", recovery_text(sight)});
  head.row({"settings", settings.empty() ? "none" : settings});

  Table ranks;
  ranks.row({"rank", "node", "pid", "cores", "workers", "round trip"});
  for (std::size_t i = 0; i < std::min(most_lines, sight.ranks.size()); ++i) {
    const RankSight& rank = sight.ranks[i];
    ranks.row({std::to_string(rank.rank), rank.host, std::to_string(rank.pid),
               rank.facts ? cores_text(rank.facts->cores) : "?", std::to_string(rank.workers), round_trip_text(rank)});
  }
  std::string text = head.text() + "\n" + ranks.text();
  if (sight.ranks.size() > most_lines)
    text += "... and " + std::to_string(sight.ranks.size() - most_lines) + " more; --all shows them\n";

  Table places;
  places.row({"node", "cores", "memory free", "/dev/shm free", "open files", "processes", "addresses"});
  for (std::size_t i = 0; i < std::min(most_lines, nodes.size()); ++i) {
    const Node& node = nodes[i];
    if (node.facts == nullptr) continue;
    std::string addresses;
    for (const auto& one : node.facts->addresses) addresses += (addresses.empty() ? "" : " ") + one;
    places.row({node.host, std::to_string(node.usable()) + " of " + std::to_string(node.facts->cores_of_node),
                bytes_text(node.facts->memory_free), bytes_text(node.facts->shm_free),
                count_text(node.facts->open_files), count_text(node.facts->processes),
                addresses.empty() ? "none" : addresses});
  }
  text += "\n" + places.text() + "\n";

  if (!diagnosis.problem.empty()) {
    text += "verdict: this does not work: " + diagnosis.problem + "\n";
  } else {
    text += "verdict: it works: " + size + (diagnosis.advice.empty() ? "" : "; it could be better") + "\n";
  }
  for (const auto& one : diagnosis.advice) text += "  - " + one + "\n";
  return text;
}

}  // namespace rankpool::tools
