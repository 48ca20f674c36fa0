#include "tools/info_start.hpp"

#include "launch/report.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace rankpool::tools {
namespace {

std::optional<int> number_of(const base::Lookup& lookup, const char* name) {
  const auto text = lookup(name);
  int number = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc() || number < 1)
    return std::nullopt;
  return number;
}

}  // namespace

Start read_start(const base::Lookup& lookup) {
  Start start;
  if (lookup("OMPI_COMM_WORLD_RANK")) {
    start.launcher = Start::Launcher::mpirun;
    start.processes = number_of(lookup, "OMPI_COMM_WORLD_SIZE").value_or(1);
    start.recovery = lookup("OMPI_MCA_orte_enable_recovery").value_or("0") == "1";
  } else if (lookup("PMIX_RANK")) {
    const auto tasks = number_of(lookup, "SLURM_STEP_NUM_TASKS");
    start.launcher = tasks ? Start::Launcher::srun : Start::Launcher::unknown;
    start.processes = tasks.value_or(1);
  }
  start.by_rankpool_run = lookup(launch::kReportVariable).has_value();
  start.slurm_job = lookup("SLURM_JOB_ID").value_or("");
  if (!start.slurm_job.empty()) {
    start.slurm_nodes = number_of(lookup, "SLURM_JOB_NUM_NODES").value_or(1);
    start.slurm_cores = number_of(lookup, "SLURM_CPUS_ON_NODE");
  }
  for (const std::string name : {"INTERFACE", "LOG", "LOST_AFTER", "MAX_WORKERS", "WORKERS"}) {
    const std::string full = "RANKPOOL_" + name;
    if (const auto value = lookup(full.c_str())) start.settings.push_back(full + "=" + *value);
  }
  return start;
}

}  // namespace rankpool::tools
