#pragma once

#include <rankpool/serialization.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What rankpool-info sees, before it says anything about it.
namespace rankpool::tools {

/// A node, as a worker of one of its ranks sees it. What cannot be found out is none.
struct NodeFacts {
  std::vector<std::uint32_t> cores;          ///< those that the rank may use
  int core_limit = 0;                        ///< as many of them as it may keep busy; 0: all
  int slurm_cores = 0;                        ///< as many as Slurm gives the job there, if they do not say it; else 0
  int cores_of_node = 0;                     ///< that are there
  std::optional<std::uint64_t> memory_free;  ///< bytes, the limit of the job's cgroup considered
  std::optional<std::uint64_t> shm_free;     ///< bytes in /dev/shm
  std::uint64_t open_files = 0;              ///< hard limit of a process
  std::uint64_t processes = 0;               ///< limit of a user
  std::vector<std::string> addresses;        ///< in the order in which the library tries them

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& cores& core_limit& slurm_cores& cores_of_node& memory_free& shm_free& open_files& processes& addresses;
  }
};

struct RankSight {
  int rank = 0;
  std::string host;
  std::int64_t pid = 0;
  int workers = 0;
  bool alive = true;
  std::optional<NodeFacts> facts;       ///< none: no worker of it has answered
  std::optional<double> round_trip_us;  ///< of a task that does nothing
};

/// How the program was started, as the environment has it.
struct Start {
  enum class Launcher { bare, mpirun, srun, unknown };
  Launcher launcher = Launcher::bare;
  bool by_rankpool_run = false;
  bool recovery = false;              ///< mpirun --enable-recovery
  int processes = 1;                  ///< that the launcher has started
  std::string slurm_job;              ///< its id; empty outside
  int slurm_nodes = 0;                ///< of that job
  std::optional<int> slurm_cores;     ///< that the job has on this node
  std::vector<std::string> settings;  ///< RANKPOOL_...=... as set
};

struct Sight {
  Start start;
  std::string uncoordinated;  ///< why this process is alone although it is not the only one; empty if it is not so
  std::string version;        ///< rankpool's
  std::string mpi;
  std::string pmix_trouble;  ///< why the death of a rank cannot be survived; empty if it can
  std::vector<RankSight> ranks;
};

}  // namespace rankpool::tools
