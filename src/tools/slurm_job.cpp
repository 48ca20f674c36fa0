#include "tools/slurm_job.hpp"

#include "base/slurm_list.hpp"

namespace rankpool::tools {
namespace {

std::optional<std::int64_t> number_of(const Surroundings& around, const std::string& name) {
  const auto text = around.variable(name);
  return text ? base::slurm_number(*text) : std::nullopt;
}

SlurmPlace place_of(const Surroundings& around) {
  const auto step = around.variable("SLURM_STEP_ID");
  // The numbers from 0xfffffff0 on are the batch script, the interactive shell and the like: base::slurm_number takes
  // none of them.
  if (!step || !base::slurm_number(*step)) return SlurmPlace::allocation;
  return number_of(around, "SLURM_STEP_NUM_TASKS").value_or(1) > 1 ? SlurmPlace::task : SlurmPlace::one_task_step;
}

}  // namespace

std::optional<std::int64_t> sum_of_slurm_list(const std::string& text) {
  const auto items = base::read_slurm_list(text);
  if (!items) return std::nullopt;
  std::int64_t sum = 0;
  for (const auto& item : *items) {
    std::int64_t part = 0;
    if (__builtin_mul_overflow(item.number, item.times, &part) || __builtin_add_overflow(sum, part, &sum)) {
      return std::nullopt;
    }
  }
  return sum;
}

std::optional<SlurmJob> find_slurm_job(const Surroundings& around) {
  const auto id = around.variable("SLURM_JOB_ID");
  if (!id || id->empty()) return std::nullopt;
  auto nodes = number_of(around, "SLURM_NNODES");
  if (!nodes) nodes = number_of(around, "SLURM_JOB_NUM_NODES");
  if (!nodes || *nodes < 1) return std::nullopt;
  SlurmJob job;
  job.id = *id;
  job.nodes = *nodes;
  job.tasks = number_of(around, "SLURM_NTASKS");
  if (const auto list = around.variable("SLURM_JOB_CPUS_PER_NODE")) job.cores = sum_of_slurm_list(*list);
  job.place = place_of(around);
  // In a step these are the step's numbers; it was made by srun and says nothing of what the user wants here.
  if (job.place != SlurmPlace::allocation) {
    job.tasks.reset();
    if (const auto all = number_of(around, "SLURM_JOB_NUM_NODES"); all && *all >= 1) job.nodes = *all;
  }
  return job;
}

}  // namespace rankpool::tools
