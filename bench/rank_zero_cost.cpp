// What rank 0's engine spends on a chunk besides MPI: reads the message with its results, decides, writes the message
// with the next one. The real Dispatcher, Scheduler and wire; agents, workers and results are made up. CPU time of
// the thread, for --nodes=N with --workers=128 each.
#include "made_up_ranks.hpp"
#include "measure.hpp"

#include <random>

namespace {

using namespace rankpool;
using bench::Longs;
using bench::Port;
using bench::Running;
using detail::Bytes;

class RankZero {
 public:
  RankZero(int nodes, int workers) : port_(running_), dispatcher_(roster_) {
    bench::open_pool(dispatcher_, port_, nodes, workers);
  }
  /// A map in chunks of `chunk` items, the results of each in so many frames. Nanoseconds for each of `chunks`.
  double run(std::uint32_t chunk, std::uint32_t frames, std::uint64_t chunks) {
    running_.clear();
    schedule::WorkSpec spec;
    spec.chunk = chunk;
    spec.items = chunk * chunks;
    engine::Command submit =
        engine::SubmitWork{PoolId{0}, WorkId{next_work_++}, detail::Ref<detail::ResultReceiver>(new Longs), spec};
    dispatcher_.handle(submit);
    dispatcher_.carry_out();
    std::vector<double> each;
    while (!running_.empty()) {
      finish_some(chunk, frames);
      const double begin = bench::thread_cpu_ns();
      from_.clear();
      for (const Bytes& message : messages_) wire::note_senders(message.view(), from_);
      dispatcher_.expect_output(from_);
      for (const Bytes& message : messages_) {
        wire::EnvelopeReader envelope(message.view());
        while (const auto next = envelope.next()) {
          const auto& output = std::get<wire::Output>(*next);
          dispatcher_.worker_output(output.worker, output.bytes);
        }
      }
      dispatcher_.carry_out();
      each.push_back((bench::thread_cpu_ns() - begin) / static_cast<double>(messages_.size()));
    }
    return bench::quantile(each, 0.5) * frames;
  }

 private:
  /// As many messages as the engine takes in one go, each with a frame of a worker anywhere.
  void finish_some(std::uint32_t chunk, std::uint32_t frames) {
    messages_.clear();
    for (int n = 0; n < 64 && !running_.empty(); ++n) {
      const std::size_t i = random_() % running_.size();
      Running& one = running_[i];
      const std::uint32_t count = chunk / frames;
      const bool last = one.ended + count == chunk;
      wire::append(messages_.emplace_back(), wire::Output{one.worker, bench::results_of(one, count, last).view()});
      one.ended += count;
      if (one.ended < chunk) continue;
      one = running_.back();
      running_.pop_back();
    }
  }

  std::vector<Running> running_;
  Port port_;
  engine::Roster roster_;
  engine::Dispatcher dispatcher_;
  std::vector<Bytes> messages_;
  std::vector<WorkerId> from_;
  std::mt19937 random_{1};
  std::uint64_t next_work_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const long nodes = bench::option(argc, argv, "nodes", 10);
  const long workers = bench::option(argc, argv, "workers", 128);
  const auto chunks = std::max<std::uint64_t>(2 * static_cast<std::uint64_t>(nodes * workers), 200'000);
  RankZero rank(static_cast<int>(nodes), static_cast<int>(workers));
  const double one = rank.run(1, 1, chunks);
  const double eight_frames = rank.run(8, 8, chunks / 8);
  const double many = rank.run(1024, 1, chunks / 8);
  const double frame = (eight_frames - one) / 7;
  bench::Report()
      .add("nodes", static_cast<double>(nodes))
      .add("task_ns", one)
      .add("chunk_ns", one - frame)
      .add("frame_ns", frame)
      .add("item_ns", std::max(0.0, (many - one) / 1023))
      .print();
}
