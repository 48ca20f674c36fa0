#pragma once

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

namespace rankpool::transport {

/// What MPI is to do differently, where the user does not say how: before it is initialised. Changes the environment.
void set_mpi_defaults() noexcept;

/// MPI itself, in a program whose MPI is rankpool's own: from MPI_Init_thread to MPI_Finalize, in one thread. A program
/// that initialises MPI itself has none of these: a Transport needs no more than a communicator.
class MpiSession {
 public:
  /// Initialises MPI in this thread. Throws std::runtime_error if MPI will not do what is needed.
  MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  /// Does nothing: after a loss MPI_Finalize would wait for the dead.
  ~MpiSession() = default;

  [[nodiscard]] MPI_Comm world() const noexcept { return MPI_COMM_WORLD; }
  /// MPI_Finalize: all ranks must be alive and do the same, and all transports closed.
  void finalize();
};

}  // namespace rankpool::transport
