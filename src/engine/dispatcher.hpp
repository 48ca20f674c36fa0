#pragma once

#include "base/ids.hpp"
#include "engine/mailbox.hpp"
#include "engine/rank_port.hpp"
#include "engine/roster.hpp"
#include "engine/shared_dispatcher.hpp"
#include "engine/task_dispatcher.hpp"
#include "engine/workers.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rankpool::engine {

/// What stands between commands, frames and deaths on the one side and the two pure state machines on the other. It
/// only says whom each of them concerns:
///
///     TaskDispatcher    pools, works, workers' lives, frames     ◄─► schedule::Scheduler
///     SharedDispatcher  values, locks, broadcasts                ◄─► SharedStore
///     Workers           the ranks' ports, and who is at which
///
/// Engine thread, or who stands in for it (Mailbox). Does no input or output of its own.
class Dispatcher final : public RankListener {
 public:
  /// `own`: the rank that this is.
  explicit Dispatcher(Roster& roster) : tasks_(workers_, roster), shared_(workers_) {}

  /// Says where a rank's workers are reached; must come before its `rank_joined`. The port must outlive the dispatcher.
  void set_port(Rank rank, RankPort* port) { workers_.set_port(rank, port); }

  void handle(Command& command);
  /// Whether this submission begins with an idle worker whose memory is at hand, and needs no time kept.
  [[nodiscard]] bool can_go_inline(const SubmitWork& command) { return tasks_.can_go_inline(command); }
  void tick(schedule::Time now);
  [[nodiscard]] std::optional<schedule::Time> next_deadline() const;
  /// Carries out what has been decided. True if there was anything.
  bool carry_out();
  /// Ends everything that is pending with `why`: the engine itself has failed. Never throws.
  void fail_everything(const std::string& why) noexcept;
  /// Open pools that are to be closed when the program is asked to stop.
  [[nodiscard]] std::vector<std::shared_ptr<PoolState>> pools_to_stop() const { return tasks_.pools_to_stop(); }

  [[nodiscard]] bool job_ended() const noexcept { return job_ended_; }
  [[nodiscard]] bool any_rank_lost() const noexcept { return any_rank_lost_; }
  /// Rank 0's own keeper is gone.
  [[nodiscard]] bool keeper_gone() const noexcept { return keeper_gone_; }

  // RankListener
  void rank_joined(const RankFacts& facts) override { tasks_.rank_joined(facts); }
  void rank_lost(Rank rank, const RankEnd& end) override;
  void worker_started(WorkerId worker, pid_t pid) override { tasks_.worker_started(worker, pid); }
  void worker_failed_to_start(WorkerId worker, const std::string& why) override {
    tasks_.worker_failed_to_start(worker, why);
  }
  void expect_output(std::span<const WorkerId> workers) noexcept override { tasks_.expect_output(workers); }
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override {
    tasks_.worker_output(worker, bytes);
  }
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override {
    shared_.worker_side_output(worker, bytes);
  }
  void worker_ended(WorkerId worker, const host::WorkerEnd& end) override;
  void keeper_lost() override { keeper_gone_ = true; }

 private:
  Workers workers_;
  TaskDispatcher tasks_;
  SharedDispatcher shared_;
  bool job_ended_ = false;
  bool any_rank_lost_ = false;
  bool keeper_gone_ = false;
};

}  // namespace rankpool::engine
