// A stock Boost.MPI master and one worker: {id, value} to rank 1 and back, serialised, one at a time: seconds.
// --what=doubles (a vector of --bytes=B), strings or record; --rounds=R.
#include "../measure.hpp"
#include "../values.hpp"

#include <boost/mpi.hpp>

namespace {

constexpr int kTask = 1;
constexpr int kEnd = 2;

template <class T>
struct Message {
  long id = 0;
  T value;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& id& value;
  }
};

template <class T>
void serve(boost::mpi::communicator& world) {
  for (;;) {
    const auto status = world.probe(0);
    if (status.tag() == kEnd) {
      world.recv(0, kEnd);
      return;
    }
    Message<T> message;
    world.recv(0, kTask, message);
    world.send(0, kTask, message);
  }
}

template <class T>
void measure(boost::mpi::communicator& world, const T& value, long rounds) {
  if (world.rank() > 0) return serve<T>(world);
  std::vector<double> times;
  for (long round = 0; round <= rounds; ++round) {
    const auto begin = bench::Clock::now();
    world.send(1, kTask, Message<T>{round, value});
    Message<T> back;
    world.recv(1, kTask, back);
    if (round > 0) times.push_back(bench::seconds_since(begin));
    if (back.value != value) std::abort();
  }
  world.send(1, kEnd);
  bench::Report().add_times("seconds", times).print();
}

}  // namespace

int main(int argc, char** argv) {
  const boost::mpi::environment environment(argc, argv);
  boost::mpi::communicator world;
  const std::string what = bench::text_option(argc, argv, "what", "doubles");
  const long rounds = bench::option(argc, argv, "rounds", 9);
  if (what == "strings") {
    measure(world, bench::some_strings(), rounds);
  } else if (what == "record") {
    measure(world, bench::some_record(), rounds);
  } else {
    const long bytes = bench::option(argc, argv, "bytes", 1 << 20);
    measure(world, std::vector<double>(static_cast<std::size_t>(bytes) / sizeof(double), 0.5), rounds);
  }
  return 0;
}
