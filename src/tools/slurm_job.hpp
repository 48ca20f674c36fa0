#pragma once

#include "tools/surroundings.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace rankpool::tools {

/// Where in a Slurm job this process is.
enum class SlurmPlace {
  allocation,     ///< the batch script, or the shell of salloc
  one_task_step,  ///< a step of one task: `srun --pty bash`
  task,           ///< one of several tasks of a step
};

/// The Slurm job that this process is in.
struct SlurmJob {
  std::string id;
  std::int64_t nodes = 1;
  std::optional<std::int64_t> tasks;  ///< if the user asked for a number of them
  std::optional<std::int64_t> cores;  ///< of all nodes together
  SlurmPlace place = SlurmPlace::allocation;
};

std::optional<SlurmJob> find_slurm_job(const Surroundings& around);
/// The sum of a list like "4(x2),2"; none if it is no such list.
std::optional<std::int64_t> sum_of_slurm_list(const std::string& text);

}  // namespace rankpool::tools
