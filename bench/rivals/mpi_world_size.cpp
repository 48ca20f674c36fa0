// What a task of two ranks does in bench_groups, as a program of its own.
#include <boost/mpi/communicator.hpp>
#include <boost/mpi/environment.hpp>

int main(int argc, char** argv) {
  const boost::mpi::environment environment(argc, argv, boost::mpi::threading::multiple);
  const boost::mpi::communicator world;
  return world.size() == 2 ? 0 : 1;
}
