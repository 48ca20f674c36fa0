#include "tools/info_diagnosis.hpp"

#include "base/oversubscription.hpp"
#include "tools/info_nodes.hpp"

#include <algorithm>

namespace rankpool::tools {
namespace {

using Launcher = Start::Launcher;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
/// Below this a worker hardly holds a program and its data.
constexpr std::uint64_t kLittleMemory = 256 * kMiB;
/// What Open MPI's shared memory wants for the ranks of one node. Containers have this much unless told otherwise.
constexpr std::uint64_t kLittleShm = 64 * kMiB;
/// On a network of our days a task is there and back in far less, workers on busy cores included.
constexpr double kSlowRoundTrip = 2000;

/// "n1, n2, n3 and 13 more"
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

/// Adds one sentence if there are nodes it is about.
class Advice {
 public:
  Advice(const std::vector<Node>& nodes, std::vector<std::string>& to) : nodes_(nodes), to_(to) {}

  template <class Condition>
  void where(Condition&& condition, const std::string& text) {
    std::vector<std::string> hosts;
    for (const auto& node : nodes_) {
      if (node.facts != nullptr && condition(node)) hosts.push_back(node.host);
    }
    if (!hosts.empty()) to_.push_back(listed(hosts) + ": " + text);
  }

 private:
  const std::vector<Node>& nodes_;
  std::vector<std::string>& to_;
};

bool is_set(const Sight& sight, const std::string& name) {
  return std::any_of(sight.start.settings.begin(), sight.start.settings.end(),
                     [&](const std::string& one) { return one.starts_with(name + "="); });
}

std::string find_problem(const Sight& sight) {
  if (!sight.uncoordinated.empty()) return sight.uncoordinated;
  const auto expected = static_cast<std::size_t>(sight.start.processes);
  if (sight.ranks.size() < expected) {
    return std::to_string(expected) + " processes were started, but only " + plural(sight.ranks.size(), "rank") +
           " take part; the messages on stderr say why";
  }
  for (const auto& rank : sight.ranks) {
    const std::string name = "rank " + std::to_string(rank.rank) + " on " + rank.host;
    if (!rank.alive) return name + " was lost";
    if (!rank.facts) return "no worker of " + name + " answers";
  }
  return "";
}

std::string oversubscription_of(const Node& node, const Start& start) {
  const base::NodeLoad load{node.host, node.ranks.front()->rank, static_cast<int>(node.ranks.size()), node.workers,
                            node.usable()};
  if (!load.oversubscribed()) return "";
  return base::oversubscription_text(load, {start.slurm_cores.has_value(), start.launcher == Launcher::mpirun});
}

void advise_on_cores(const Sight& sight, const std::vector<Node>& nodes, Advice& advice) {
  const Start& start = sight.start;
  const bool told = is_set(sight, "RANKPOOL_WORKERS");
  const bool in_slurm = start.slurm_cores.has_value();
  // Slurm tells of the first node only.
  const auto on_first = [&](const Node& node) { return in_slurm && &node == nodes.data(); };
  // In the order of the nodes; those of which the same is to be said together.
  std::vector<std::string> oversubscription;
  for (const Node& node : nodes) {
    const std::string text = oversubscription_of(node, start);
    if (!text.empty() && std::find(oversubscription.begin(), oversubscription.end(), text) == oversubscription.end())
      oversubscription.push_back(text);
  }
  for (const auto& text : oversubscription)
    advice.where([&](const Node& node) { return oversubscription_of(node, start) == text; }, text);
  advice.where(
      [&](const Node& node) {
        return on_first(node) && !told && node.usable() < std::min(*start.slurm_cores, node.facts->cores_of_node);
      },
      "the job has more cores there than its ranks may use: give srun --cpus-per-task (SRUN_CPUS_PER_TASK), or "
      "start the program by rankpool-run");
  advice.where(
      [&](const Node& node) {
        return start.launcher == Launcher::mpirun && !in_slurm && !told &&
               static_cast<int>(node.cores.size()) < node.facts->cores_of_node;
      },
      "the ranks may not use all cores of the node: mpirun binds them; give it --bind-to none, or start the program by "
      "rankpool-run");
  if (nodes.size() > 1) {
    advice.where([](const Node& node) { return node.ranks.size() > 1; },
                 "several ranks; one rank for each node, with all its cores as workers, scales better "
                 "(srun --ntasks-per-node=1, mpirun --map-by ppr:1:node)");
  }
}

void advise_on_limits(const Sight& sight, Advice& advice) {
  advice.where(
      [](const Node& node) {
        return node.facts->memory_free && node.workers > 0 &&
               *node.facts->memory_free / static_cast<std::uint64_t>(node.workers) < kLittleMemory;
      },
      "less than " + bytes_text(kLittleMemory) +
          " of memory for each worker: ask for more, or set RANKPOOL_WORKERS lower");
  advice.where(
      [](const Node& node) { return node.ranks.size() > 1 && node.facts->shm_free.value_or(kLittleShm) < kLittleShm; },
      "less than " + bytes_text(kLittleShm) +
          " free in /dev/shm, which Open MPI needs for several ranks: in a container give --shm-size");
  advice.where(
      [&](const Node& node) {
        return node.facts->open_files < 4 * static_cast<std::uint64_t>(node.workers) + 2 * sight.ranks.size() + 64;
      },
      "few open files are allowed: raise ulimit -n");
  advice.where(
      [](const Node& node) { return node.facts->processes < 4 * static_cast<std::uint64_t>(node.workers) + 64; },
      "few processes are allowed: raise ulimit -u");
}

void advise_on_network(const Sight& sight, const std::vector<Node>& nodes, Advice& advice) {
  if (nodes.size() > 1 && !is_set(sight, "RANKPOOL_INTERFACE")) {
    advice.where(
        [](const Node& node) {
          const auto& all = node.facts->addresses;
          return std::count_if(all.begin(), all.end(), [](const auto& one) { return one.find('.') != one.npos; }) > 1;
        },
        "several networks: if not all lead to the other nodes, name the right interface or address in "
        "RANKPOOL_INTERFACE, and to mpirun in --mca btl_tcp_if_include and oob_tcp_if_include");
  }
  advice.where(
      [](const Node& node) {
        return std::any_of(node.ranks.begin(), node.ranks.end(),
                           [](const auto* rank) { return rank->round_trip_us.value_or(0) > kSlowRoundTrip; });
      },
      "a task takes long there and back: its cores are busy, or the network is slow; short tasks should travel in "
      "chunks");
}

std::string advice_on_losses(const Sight& sight, const std::vector<Node>& nodes) {
  const Start& start = sight.start;
  if (start.launcher == Launcher::bare) return "";
  if (!sight.pmix_trouble.empty()) return "the death of a rank ends the job: " + sight.pmix_trouble;
  if (nodes.size() < 2 || start.by_rankpool_run) return "";
  return "the loss of a node ends the job: start the program by rankpool-run" +
         std::string(start.slurm_job.empty() ? "" : ", and the job by sbatch --no-kill");
}

}  // namespace

Diagnosis diagnose(const Sight& sight) {
  Diagnosis diagnosis;
  diagnosis.problem = find_problem(sight);
  const std::vector<Node> nodes = nodes_of(sight);
  if (nodes.empty()) return diagnosis;
  Advice advice(nodes, diagnosis.advice);
  if (sight.uncoordinated.empty() && sight.start.launcher == Launcher::bare && sight.start.slurm_nodes > 1) {
    diagnosis.advice.push_back(
        "only this node of the Slurm job is used: start the program by srun --mpi=pmix or rankpool-run");
  }
  advise_on_cores(sight, nodes, advice);
  advise_on_limits(sight, advice);
  advise_on_network(sight, nodes, advice);
  if (auto text = advice_on_losses(sight, nodes); !text.empty()) diagnosis.advice.push_back(std::move(text));
  return diagnosis;
}

}  // namespace rankpool::tools
