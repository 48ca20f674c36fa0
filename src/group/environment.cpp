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

/// Settings that only advise: the user's own go before them.
constexpr std::array kAdvice{std::string_view("OMPI_MCA_pml"), std::string_view("OMPI_MCA_mpi_yield_when_idle")};

}  // namespace

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
