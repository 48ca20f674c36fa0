#include "launch/job_variables.hpp"

#include <unistd.h>
#include <cstdlib>
#include <string>
#include <vector>

namespace rankpool::launch {

bool is_variable_of_rank(std::string_view name) {
  using namespace std::string_view_literals;
  if (name.starts_with("OMPI_ALLOW_RUN_AS_ROOT"sv) || name.starts_with("PRTE_ALLOW_RUN_AS_ROOT"sv)) return false;
  if (name.starts_with("OMPI_MCA_"sv)) {
    // Those that the launcher has set: they lead to its own daemon.
    name.remove_prefix("OMPI_MCA_"sv.size());
    for (const auto prefix : {"orte_"sv, "ess"sv, "pmix"sv, "plm"sv, "schizo"sv, "rmaps"sv, "shmem_RUNTIME"sv}) {
      if (name.starts_with(prefix)) return true;
    }
    return name == "initial_wdir"sv || name == "mpi_oversubscribe"sv;
  }
  if (name.starts_with("PMIX_MCA_"sv) || name.starts_with("PRTE_MCA_"sv)) return false;
  for (const auto prefix : {"OMPI_"sv, "PMIX_"sv, "PMI_"sv, "ORTE_"sv, "PRTE_"sv}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

void forget_variables_of_rank() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto name = text.substr(0, text.find('='));
    if (is_variable_of_rank(name)) names.emplace_back(name);
  }
  for (const auto& name : names) ::unsetenv(name.c_str());
}

}  // namespace rankpool::launch
