#pragma once

#include <string>

namespace rankpool::launch {

/// Name and version of the MPI library, "Open MPI v4.1.4". May be asked without MPI_Init.
std::string mpi_version();

}  // namespace rankpool::launch
