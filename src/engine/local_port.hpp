#pragma once

#include "engine/rank_port.hpp"
#include "host/worker_host.hpp"

#include <chrono>
#include <vector>

namespace rankpool::engine {

/// Rank 0's own workers, in shared memory. Engine thread.
class LocalPort final : public RankPort, private host::HostListener {
 public:
  LocalPort(host::WorkerHost& host, PortListener& listener) : host_(host), listener_(listener) {}

  void start(WorkerId worker) override { host_.start(worker); }
  void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
             const detail::Ref<detail::Sink>& keep_alive) override;
  void write_side(WorkerId worker, std::span<const std::byte> bytes) override { host_.write_side(worker, bytes); }
  void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                 std::shared_ptr<const channel::Blob> blob) override {
    (void)id;
    host::answer_with_place(host_, worker, request, blob->place());
  }
  void forget_blob(std::uint64_t) override {}
  void kill(WorkerId worker, int signal) override { host_.kill(worker, signal); }
  void flush() override;
  /// Does `work`, which writes to one worker at most, and leaves the wake-up of that worker to the caller.
  template <class Work>
  [[nodiscard]] channel::Bell with_bell_left(Work&& work) {
    channel::Bell bell;
    bell_ = &bell;
    try {
      work();
    } catch (...) {
      bell_ = nullptr;
      throw;
    }
    bell_ = nullptr;
    return bell;
  }

  /// Looks at all channels once. True if there was anything.
  bool poll() { return host_.poll(*this); }
  /// Looks, from time to time, for results that long items keep from being shown.
  bool harvest(std::chrono::steady_clock::time_point now) { return host_.harvest(*this, now); }
  [[nodiscard]] bool keeper_gone() const noexcept { return keeper_gone_; }

 private:
  void worker_started(WorkerId worker, pid_t pid) override { listener_.worker_started(worker, pid); }
  void worker_failed_to_start(WorkerId worker, const std::string& why) override {
    listener_.worker_failed_to_start(worker, why);
  }
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override {
    listener_.worker_output(worker, bytes);
  }
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override {
    listener_.worker_side_output(worker, bytes);
  }
  void worker_ended(WorkerId worker, const host::WorkerEnd& end) override {
    listener_.worker_ended(worker, {end.pid, end.wait_status, end.inside_item});
  }
  void keeper_lost() override { keeper_gone_ = true; }

  host::WorkerHost& host_;
  PortListener& listener_;
  std::vector<WorkerId> written_;  ///< since the last flush; a worker may stand there twice
  channel::Bell* bell_ = nullptr;  ///< where the wake-up is left, if it is
  bool keeper_gone_ = false;
};

}  // namespace rankpool::engine
