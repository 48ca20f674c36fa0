#pragma once

#include "base/settings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace rankpool::base {

/// The workers of one node, and the cores that they have.
struct NodeLoad {
  std::string host;
  int first_rank = 0;
  int ranks = 0;  ///< each holds one worker at least, also where there are more ranks than cores
  int workers = 0;
  int cores = 0;

  [[nodiscard]] int room() const;
  [[nodiscard]] bool oversubscribed() const { return workers > room(); }
};

/// Whom to ask for more cores.
struct StartedBy {
  bool slurm = false;
  bool mpirun = false;
};
/// As the environment has it, before MPI is initialised.
StartedBy started_by(const Lookup& lookup);

/// What RANKPOOL_WORKERS has done to a node: "16 workers share 3 cores: ask Slurm for ...".
std::string oversubscription_text(const NodeLoad& node, StartedBy by);
/// What to say of a pool with these workers; nothing if they have a core each. `full`: the nodes with all the workers
/// that they can hold, so that it is known whether RANKPOOL_WORKERS or the pool asks for too many.
std::optional<std::string> oversubscription_warning(const std::vector<NodeLoad>& pool,
                                                    const std::vector<NodeLoad>& full, StartedBy by);

}  // namespace rankpool::base
