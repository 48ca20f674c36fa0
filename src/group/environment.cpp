#include "group/environment.hpp"

#include <unistd.h>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace rankpool::group {
namespace {

bool begins_with_any(std::string_view name, const auto& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(), [&](std::string_view one) { return name.starts_with(one); });
}

bool is_launchers(std::string_view name) {
  constexpr std::array runtimes{std::string_view("PMI_"), std::string_view("ORTE_"), std::string_view("PRTE_")};
  constexpr std::array parameters{std::string_view("OMPI_MCA_orte_"),
                                  std::string_view("OMPI_MCA_ess"),
                                  std::string_view("OMPI_MCA_pmix"),
                                  std::string_view("OMPI_MCA_plm"),
                                  std::string_view("OMPI_MCA_schizo"),
                                  std::string_view("OMPI_MCA_rmaps"),
                                  std::string_view("OMPI_MCA_shmem_RUNTIME"),
                                  std::string_view("OMPI_MCA_initial_wdir"),
                                  std::string_view("OMPI_MCA_mpi_oversubscribe")};
  if (name.starts_with("PMIX_")) return !name.starts_with("PMIX_MCA_");
  if (name.starts_with("OMPI_MCA_")) return begins_with_any(name, parameters);
  return name.starts_with("OMPI_") || begins_with_any(name, runtimes);
}

/// Settings that only advise: the user's own go before them.
constexpr std::array kAdvice{std::string_view("OMPI_MCA_pml"), std::string_view("OMPI_MCA_mpi_yield_when_idle")};

}  // namespace

void forget_launcher() {
  std::vector<std::string> names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string_view name = text.substr(0, text.find('='));
    if (is_launchers(name)) names.emplace_back(name);
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
}

wire::Variables open_mpi_settings(const wire::GroupPlan& plan, const std::string& shared_memory) {
  wire::Variables variables{
      // Open MPI 4: this is no singleton, which would start a daemon of its own, and nobody is to guess that it is one.
      "OMPI_MCA_ess=pmi", "OMPI_MCA_schizo=ompi",
      // What its segments leave behind goes with the folder; the name is Open MPI 4's and 5's.
      "OMPI_MCA_btl_vader_backing_directory=" + shared_memory, "OMPI_MCA_btl_sm_backing_directory=" + shared_memory};
  // Shared memory needs no search for a network, which takes 200 ms.
  if (plan.nodes.size() == 1) variables.emplace_back("OMPI_MCA_pml=ob1");
  if (plan.oversubscribed) variables.emplace_back("OMPI_MCA_mpi_yield_when_idle=1");
  return variables;
}

void set_environment(const wire::Variables& variables) {
  for (const std::string& variable : variables) {
    const auto equals = variable.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = variable.substr(0, equals);
    const bool advice = std::find(kAdvice.begin(), kAdvice.end(), name) != kAdvice.end();
    ::setenv(name.c_str(), variable.c_str() + equals + 1, advice ? 0 : 1);
  }
}

}  // namespace rankpool::group
