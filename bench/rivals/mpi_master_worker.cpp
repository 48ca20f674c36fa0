// What one would write by hand: plain MPI calls, rank 0 hands out long -> long, the others compute.
// --n=items, --chunk=C items a message, --flight=F messages under way to each worker, --iterations=I of computing an
// item (0: none), --rounds=R. Items a second. No value is encoded, nothing fails, no worker is isolated from MPI.
#include "../measure.hpp"
#include "../work.hpp"

#include <mpi.h>

#include <deque>

namespace {

constexpr int kTask = 1;
constexpr int kEnd = 2;

void serve(std::size_t chunk, long iterations) {
  std::vector<long> items(chunk);
  for (;;) {
    MPI_Status status;
    MPI_Recv(items.data(), static_cast<int>(chunk), MPI_LONG, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
    if (status.MPI_TAG == kEnd) return;
    int count = 0;
    MPI_Get_count(&status, MPI_LONG, &count);
    if (iterations > 0) {
      for (int i = 0; i < count; ++i) bench::spin(iterations);
    }
    MPI_Send(items.data(), count, MPI_LONG, 0, kTask, MPI_COMM_WORLD);
  }
}

struct Chunk {
  std::size_t first;
  std::size_t count;
  MPI_Request request;  ///< blocking sends of large chunks deadlock once both sides are in one
};

class Master {
 public:
  Master(int workers, std::size_t chunk, long flight)
      : out_(static_cast<std::size_t>(workers) + 1), chunk_(chunk), flight_(flight) {}

  void map(const std::vector<long>& items, std::vector<long>& results) {
    next_ = 0;
    for (long i = 0; i < flight_; ++i) {
      for (std::size_t worker = 1; worker < out_.size(); ++worker) send(items, worker);
    }
    for (std::size_t received = 0; received < items.size();) {
      MPI_Status status;
      MPI_Probe(MPI_ANY_SOURCE, kTask, MPI_COMM_WORLD, &status);
      const auto worker = static_cast<std::size_t>(status.MPI_SOURCE);
      Chunk done = out_[worker].front();  // a worker answers in order
      out_[worker].pop_front();
      MPI_Recv(results.data() + done.first, static_cast<int>(done.count), MPI_LONG, status.MPI_SOURCE, kTask,
               MPI_COMM_WORLD, MPI_STATUS_IGNORE);
      MPI_Wait(&done.request, MPI_STATUS_IGNORE);
      received += done.count;
      send(items, worker);
    }
  }
  void end() {
    for (std::size_t worker = 1; worker < out_.size(); ++worker) {
      MPI_Send(nullptr, 0, MPI_LONG, static_cast<int>(worker), kEnd, MPI_COMM_WORLD);
    }
  }

 private:
  void send(const std::vector<long>& items, std::size_t worker) {
    if (next_ == items.size()) return;
    Chunk chunk{next_, std::min(chunk_, items.size() - next_), MPI_REQUEST_NULL};
    MPI_Isend(items.data() + chunk.first, static_cast<int>(chunk.count), MPI_LONG, static_cast<int>(worker), kTask,
              MPI_COMM_WORLD, &chunk.request);
    out_[worker].push_back(chunk);
    next_ += chunk.count;
  }

  std::vector<std::deque<Chunk>> out_;  ///< by rank
  std::size_t chunk_;
  long flight_;
  std::size_t next_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const auto chunk = static_cast<std::size_t>(bench::option(argc, argv, "chunk", 1));
  const long rounds = bench::option(argc, argv, "rounds", 3);
  if (rank > 0) {
    serve(chunk, bench::option(argc, argv, "iterations", 0));
  } else {
    std::vector<long> items(static_cast<std::size_t>(bench::option(argc, argv, "n", 1'000'000)));
    for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<long>(i);
    std::vector<long> results(items.size());
    Master master(ranks - 1, chunk, bench::option(argc, argv, "flight", 1));
    std::vector<double> times;
    for (long round = 0; round <= rounds; ++round) {
      const auto begin = bench::Clock::now();
      master.map(items, results);
      if (round > 0 || rounds == 0) times.push_back(bench::seconds_since(begin));
    }
    master.end();
    const double seconds = bench::quantile(times, 0.5);
    if (results == items) {
      bench::Report()
          .add("workers", ranks - 1)
          .add("seconds", seconds)
          .add("items_per_s", static_cast<double>(items.size()) / seconds)
          .print();
    }
  }
  MPI_Finalize();
  return 0;
}
