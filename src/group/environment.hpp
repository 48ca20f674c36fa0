#pragma once

#include "wire/group.hpp"

#include <string>

namespace rankpool::group {

/// What Open MPI has to be told beside what PMIx says: `shared_memory` is the folder for its segments.
wire::Variables open_mpi_settings(const wire::GroupPlan& plan, const std::string& shared_memory);

/// Sets them, except for those that only advise where the user has said something else.
void set_environment(const wire::Variables& variables);

}  // namespace rankpool::group
