#pragma once

#include "engine/rank_port.hpp"
#include "host/worker_host.hpp"

#include <vector>

namespace rankpool::engine {

/// Workers in shared memory: rank 0's own, and for what is written those of its neighbours too. Engine thread.
class LocalPort final : public RankPort {
 public:
  explicit LocalPort(host::WorkerHost& host) : host_(host) {}

  [[nodiscard]] host::WorkerHost& host() noexcept { return host_; }

  [[nodiscard]] bool is_direct(WorkerId) const override { return true; }
  void start(WorkerId worker, base::WorkerOrigin origin) override { host_.start(worker, origin); }
  void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
             const detail::Ref<detail::ResultReceiver>& keep_alive) override;
  void write_side(WorkerId worker, std::span<const std::byte> bytes) override { host_.write_side(worker, bytes); }
  void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                 std::shared_ptr<const channel::Blob> blob) override {
    (void)id;
    host::answer_with_place_of(host_, worker, request, *blob);
  }
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId worker) override { return host_.leases(worker); }
  void forget_blob(std::uint64_t) override {}
  void kill(WorkerId worker, int signal) override { host_.kill(worker, signal); }
  void flush() override;
  /// From now on the wake-ups of who was written to are left to `take_wakeups`.
  void leave_wakeups() noexcept { leave_wakeups_ = true; }
  /// Those that were left, in the order in which they are to be rung. From now on none are left.
  [[nodiscard]] std::vector<channel::FutexWake> take_wakeups();

 private:
  host::WorkerHost& host_;
  std::vector<WorkerId> written_;  ///< since the last flush; a worker may stand there twice
  std::vector<channel::FutexWake> wakeups_;
  bool leave_wakeups_ = false;
};

}  // namespace rankpool::engine
