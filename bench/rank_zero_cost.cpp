// What rank 0's engine spends on a chunk besides MPI: reads the message with its results, decides, writes the message
// with the next one. The real Dispatcher, Scheduler and wire; agents, workers and results are made up. CPU time of
// the thread, for --nodes=N with --workers=128 each.
#include "measure.hpp"

#include "engine/dispatcher.hpp"
#include "wire/frame_headers.hpp"
#include "wire/messages.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <random>

namespace {

using namespace rankpool;
using detail::Bytes;

struct Running {
  WorkerId worker{};
  std::uint64_t chunk = 0;
  std::uint32_t ended = 0;
};

/// Writes what RemoteRanks writes, and sends it nowhere.
class Port final : public engine::RankPort {
 public:
  explicit Port(std::vector<Running>& running) : running_(running) {}
  void start(WorkerId worker, bool fresh) override { wire::append(batch_, wire::StartWorker{worker, fresh}); }
  void write(WorkerId worker, std::span<const std::byte> bytes, const detail::Gather& body,
             const detail::Ref<detail::ResultReceiver>& /*keep_alive*/) override {
    wire::FrameHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.kind == wire::FrameKind::chunk) running_.push_back({worker, header.number, 0});
    wire::append_input(batch_, worker, bytes, body);
  }
  void write_side(WorkerId /*worker*/, std::span<const std::byte> /*bytes*/) override {}
  void give_blob(WorkerId /*worker*/, std::uint64_t /*request*/, std::uint64_t /*id*/,
                 std::shared_ptr<const channel::Blob> /*blob*/) override {}
  void forget_blob(std::uint64_t /*id*/) override {}
  void kill(WorkerId /*worker*/, int /*signal*/) override {}
  void flush() override { batch_ = Bytes(); }

 private:
  std::vector<Running>& running_;
  Bytes batch_;
};

/// Of a map of longs: arguments out, results in.
class Longs final : public detail::ResultReceiver {
 public:
  bool begin(std::uint64_t /*first*/, std::uint32_t /*count*/) noexcept override { return true; }
  std::size_t gather(std::uint64_t /*first*/, std::uint32_t count, detail::Gather& to) override {
    to.push_back(std::as_bytes(std::span(code_)));
    to.push_back(std::as_bytes(std::span(items_)).first(count * sizeof(long)));
    return sizeof code_;
  }
  void values(std::uint64_t /*first*/, std::uint32_t /*count*/, std::span<const std::byte> bytes) noexcept override {
    std::memcpy(results_.data(), bytes.data(), bytes.size());
  }
  void value(std::uint64_t /*index*/, Bytes /*encoded*/) noexcept override {}
  void error(std::uint64_t /*index*/, Bytes /*encoded*/) noexcept override {}
  void fail(std::uint64_t /*first*/, std::uint64_t /*count*/, const detail::FailurePtr& /*why*/) noexcept override {}
  void cancelled(std::uint64_t /*first*/, std::uint64_t /*count*/) noexcept override {}

 private:
  static constexpr std::size_t kMost = 1024;
  std::array<std::uint64_t, 2> code_{};
  std::array<long, kMost> items_{};
  std::array<long, kMost> results_{};
};

class RankZero {
 public:
  RankZero(int nodes, int workers) : port_(running_), dispatcher_(roster_, Rank{0}) {
    for (int rank = 0; rank < nodes; ++rank) {
      dispatcher_.set_port(Rank{rank}, &port_);
      engine::RankFacts facts;
      facts.rank = Rank{rank};
      facts.workers = workers;
      dispatcher_.rank_joined(facts);
    }
    auto pool = std::make_shared<engine::PoolState>();
    schedule::PoolPolicy policy;
    policy.max_workers = nodes * workers;
    engine::Command open = engine::OpenPool{pool, policy};
    dispatcher_.handle(open);
    dispatcher_.carry_out();
    const wire::FrameHeader ready(wire::FrameKind::ready);
    for (int i = 0; i < nodes * workers; ++i) {
      dispatcher_.worker_output(WorkerId{static_cast<std::uint32_t>(i)}, std::as_bytes(std::span(&ready, 1)));
    }
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
      const std::vector<long> results(chunk / frames);
      wire::OutcomeHeader values;
      values.kind = wire::FrameKind::values;
      values.items = chunk / frames;
      values.first = one.ended;
      values.chunk = one.chunk;
      values.size = results.size() * sizeof(long);
      one.ended += values.items;
      values.last = one.ended == chunk;
      if (values.last) values.busy = std::chrono::milliseconds(20);
      const wire::FrameHeader header = values.frame();
      Bytes output(std::as_bytes(std::span(&header, 1)));
      output.append(results.data(), values.size);
      wire::append(messages_.emplace_back(), wire::Output{one.worker, output.view()});
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
