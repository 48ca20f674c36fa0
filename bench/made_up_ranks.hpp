// Agents, workers and results that are made up, for programs that drive rank 0's dispatcher alone.
#pragma once

#include "engine/dispatcher.hpp"
#include "wire/frame_headers.hpp"
#include "wire/messages.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace bench {

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
  [[nodiscard]] bool is_direct(WorkerId /*worker*/) const override { return false; }
  void start(WorkerId worker, base::WorkerOrigin origin) override {
    wire::append(batch_, wire::StartWorker{worker, origin});
  }
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
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId /*worker*/) override { return nullptr; }
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

/// What a worker shows at the end of a chunk's first items: `count` results of a map of longs, in one frame.
inline Bytes results_of(const Running& one, std::uint32_t count, bool last) {
  const std::vector<long> results(count);
  wire::OutcomeHeader values;
  values.kind = wire::FrameKind::values;
  values.items = count;
  values.first = one.ended;
  values.chunk = one.chunk;
  values.size = results.size() * sizeof(long);
  values.last = last;
  if (last) values.busy = std::chrono::milliseconds(20);
  const wire::FrameHeader header = values.frame();
  Bytes output(std::as_bytes(std::span(&header, 1)));
  output.append(results.data(), values.size);
  return output;
}

/// A dispatcher with one pool of `workers` ready workers on each of `nodes`, all of them behind `port`.
inline void open_pool(engine::Dispatcher& dispatcher, engine::RankPort& port, int nodes, int workers) {
  for (int rank = 0; rank < nodes; ++rank) {
    dispatcher.set_port(Rank{rank}, &port);
    engine::RankFacts facts;
    facts.rank = Rank{rank};
    facts.workers = workers;
    dispatcher.rank_joined(facts);
  }
  auto pool = std::make_shared<engine::PoolState>();
  schedule::PoolPolicy policy;
  policy.max_workers = nodes * workers;
  engine::Command open = engine::OpenPool{pool, policy};
  dispatcher.handle(open);
  dispatcher.carry_out();
  const wire::FrameHeader ready(wire::FrameKind::ready);
  for (int i = 0; i < nodes * workers; ++i) {
    dispatcher.worker_output(WorkerId{static_cast<std::uint32_t>(i)}, std::as_bytes(std::span(&ready, 1)));
  }
}

}  // namespace bench
