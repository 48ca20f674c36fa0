// Loaded before MPI: an MPI library that allows no threads at all.
#include <mpi.h>

int MPI_Init_thread(int* argc, char*** argv, int wanted, int* level) {
  const int result = PMPI_Init_thread(argc, argv, wanted, level);
  *level = MPI_THREAD_SINGLE;
  return result;
}
