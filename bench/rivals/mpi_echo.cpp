// --bytes=B to rank 1 and back with plain MPI, both sides knowing the size, each message into a fresh buffer: seconds.
#include "../measure.hpp"

#include <mpi.h>

#include <memory>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const auto bytes = static_cast<std::size_t>(bench::option(argc, argv, "bytes", 1 << 20));
  const int size = static_cast<int>(bytes);
  const long rounds = bench::option(argc, argv, "rounds", 9);
  const auto fresh = [&] { return std::make_unique_for_overwrite<char[]>(bytes); };
  const std::vector<char> input(bytes, 'x');
  std::vector<double> times;
  for (long round = 0; round <= rounds; ++round) {
    const auto begin = bench::Clock::now();
    const auto buffer = fresh();
    if (rank == 0) {
      MPI_Send(input.data(), size, MPI_BYTE, 1, 0, MPI_COMM_WORLD);
      MPI_Recv(buffer.get(), size, MPI_BYTE, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    } else if (rank == 1) {
      MPI_Recv(buffer.get(), size, MPI_BYTE, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      MPI_Send(buffer.get(), size, MPI_BYTE, 0, 0, MPI_COMM_WORLD);
    }
    if (round > 0) times.push_back(bench::seconds_since(begin));
  }
  if (rank == 0) bench::Report().add_times("seconds", times).print();
  MPI_Finalize();
  return 0;
}
