#include "launch/mpi_version.hpp"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

namespace rankpool::launch {

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int size = 0;
  if (MPI_Get_library_version(text, &size) != MPI_SUCCESS) return "unknown";
  const std::string all(text);
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace rankpool::launch
