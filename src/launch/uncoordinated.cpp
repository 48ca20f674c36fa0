#include "launch/uncoordinated.hpp"

#include <charconv>
#include <optional>

namespace rankpool::launch {
namespace {

std::optional<int> number_of(const base::Lookup& lookup, const char* name) {
  const auto text = lookup(name);
  if (!text) return std::nullopt;
  int number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

Uncoordinated find_uncoordinated(const base::Lookup& lookup) {
  if (lookup("OMPI_COMM_WORLD_RANK") || lookup("PMIX_RANK")) return {};
  struct Trace {
    const char* size;
    const char* rank;
    const char* advice;
  };
  for (const Trace& trace :
       {Trace{"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun needs --mpi=pmix to make them ranks of one job"},
        Trace{"PMI_SIZE", "PMI_RANK", "their launcher is not Open MPI's, which this program is built with"}}) {
    const auto count = number_of(lookup, trace.size);
    const auto number = number_of(lookup, trace.rank);
    if (count && number && *count > 1 && *number < *count) return {*count, *number, trace.advice};
  }
  return {};
}

}  // namespace rankpool::launch
