#include "transport/mpi_session.hpp"

#include <cstdlib>
#include <stdexcept>

namespace rankpool::transport {

void set_mpi_defaults() noexcept {
  // Over libfabric Open MPI 4.1 fails to receive what MPI_Improbe has matched (MPI_Imrecv gives MPI_ERR_OTHER, with any
  // program). Distributions switch it off; where they do not, it would be preferred. Whoever sets it has it.
  ::setenv("OMPI_MCA_mtl", "^ofi", 0);
  // Open MPI 5 aborts a rank whose connection to another is reset, whatever the error handler, except with this.
  ::setenv("OMPI_MCA_mpi_ft_enable", "1", 0);
}

MpiSession::MpiSession() {
  set_mpi_defaults();
  int level = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) {
    throw std::runtime_error("MPI_Init_thread failed");
  }
  if (level < MPI_THREAD_FUNNELED) {
    throw std::runtime_error("this MPI does not support threads (MPI_THREAD_FUNNELED), which rankpool needs");
  }
  // What Open MPI notices outside of any communicator of ours is told to the world's error handler.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

void MpiSession::finalize() { MPI_Finalize(); }

}  // namespace rankpool::transport
