# rankpool::mpi, for programs that include rankpool/mpi.hpp: there where Boost.MPI is.
find_package(Boost 1.74 QUIET COMPONENTS serialization mpi)
find_package(MPI QUIET COMPONENTS CXX)
if(TARGET Boost::mpi AND TARGET MPI::MPI_CXX AND NOT TARGET rankpool::mpi)
  add_library(rankpool::mpi INTERFACE IMPORTED)
  set_target_properties(rankpool::mpi PROPERTIES INTERFACE_LINK_LIBRARIES "rankpool::rankpool;Boost::mpi;MPI::MPI_CXX")
endif()
