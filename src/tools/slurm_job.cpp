#include "tools/slurm_job.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace rankpool::tools {
namespace {

/// Numbers up to a thousand million, so that what is made of them fits.
std::optional<std::int64_t> number_in(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > 1'000'000'000) return std::nullopt;
  return number;
}

std::optional<std::int64_t> number_of(const Surroundings& around, const std::string& name) {
  const auto text = around.variable(name);
  return text ? number_in(*text) : std::nullopt;
}

SlurmPlace place_of(const Surroundings& around) {
  const auto step = around.variable("SLURM_STEP_ID");
  // The numbers from 0xfffffff0 on are the batch script, the interactive shell and the like: number_in takes none of
  // them.
  if (!step || !number_in(*step)) return SlurmPlace::allocation;
  return number_of(around, "SLURM_STEP_NUM_TASKS").value_or(1) > 1 ? SlurmPlace::task : SlurmPlace::one_task_step;
}

}  // namespace

std::optional<std::int64_t> sum_of_slurm_list(const std::string& text) {
  std::int64_t sum = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::string item = text.substr(at, end - at);
    std::int64_t times = 1;
    if (const std::size_t open = item.find("(x"); open != std::string::npos) {
      if (item.back() != ')') return std::nullopt;
      const auto number = number_in(item.substr(open + 2, item.size() - open - 3));
      if (!number) return std::nullopt;
      times = *number;
      item.resize(open);
    }
    const auto number = number_in(item);
    std::int64_t part = 0;
    if (!number || __builtin_mul_overflow(*number, times, &part) || __builtin_add_overflow(sum, part, &sum))
      return std::nullopt;
    at = end + 1;
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
