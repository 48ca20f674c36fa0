#pragma once

#include "base/ids.hpp"
#include "base/paged_table.hpp"
#include "engine/mailbox.hpp"
#include "engine/pool_state.hpp"
#include "engine/rank_port.hpp"
#include "engine/roster.hpp"
#include "engine/shared_store.hpp"
#include "schedule/scheduler.hpp"
#include "wire/frame_reader.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::engine {

/// Between the scheduler, which knows numbers only, and the world: turns commands, frames and deaths into the
/// scheduler's events, and its actions into frames and outcomes.
///
///     commands ──► ┌────────────┐ ──events──► ┌───────────┐
///     frames   ──► │ Dispatcher │             │ Scheduler │
///     deaths   ──► └────────────┘ ◄─actions── └───────────┘
///                    │        │
///           RankPort (frames)  Sink (outcomes of futures and maps)
///
/// Engine thread, or who stands in for it (Mailbox). Does no input or output of its own.
class Dispatcher : public PortListener {
 public:
  explicit Dispatcher(Roster& roster);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// Says where a rank's workers are reached; must come before its `rank_joined`. The port must outlive the dispatcher.
  void set_port(Rank rank, RankPort* port);

  void handle(Command& command);
  /// Whether this submission does nothing but write to an idle worker of rank 0, and needs no time kept.
  [[nodiscard]] bool goes_to_own_worker(const SubmitWork& command);
  void tick(schedule::Time now);
  [[nodiscard]] std::optional<schedule::Time> next_deadline() const;
  /// Carries out what the scheduler has decided. True if there was anything.
  bool carry_out();
  /// Ends everything that is pending with `why`: the engine itself has failed. Never throws.
  void fail_everything(const std::string& why) noexcept;
  /// Open pools that are to be closed when the program is asked to stop.
  [[nodiscard]] std::vector<std::shared_ptr<PoolState>> pools_to_stop() const;

  [[nodiscard]] bool job_ended() const noexcept { return job_ended_; }
  [[nodiscard]] bool any_rank_lost() const noexcept { return any_rank_lost_; }

  // PortListener
  void rank_joined(const RankFacts& facts) override;
  void rank_lost(Rank rank, const std::string& how) override;
  void worker_started(WorkerId worker, pid_t pid) override;
  void worker_failed_to_start(WorkerId worker, const std::string& why) override;
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override;
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override;
  void worker_ended(WorkerId worker, const WorkerExit& exit) override;

 private:
  /// A chunk as it was handed to a worker.
  struct Assigned {
    ChunkId chunk{};
    WorkId work{};
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t ended = 0;
  };
  struct RankEntry {
    RankPort* port = nullptr;
    RankFacts facts;
    bool written = false;  ///< stands in `written_`
  };
  struct Worker {
    std::shared_ptr<PoolState> pool;
    Rank rank{};
    RankEntry* at = nullptr;  ///< entries stay where they are
    pid_t pid = 0;
    bool ready = false;
    bool given_up = false;  ///< killed: what it still says is ignored
    wire::FrameReader reader;
    wire::FrameReader side_reader;
    std::vector<Assigned> chunks;  ///< a few; the first is the one it works on
  };

  void execute(const schedule::SendChunk& action);
  void execute(const schedule::StartWorker& action);
  void execute(const schedule::StopWorker& action);
  void execute(const schedule::KillWorker& action);
  void execute(const schedule::FailItems& action);
  void execute(const schedule::CancelItems& action);
  void execute(const schedule::WorkEnded& action);
  void execute(const schedule::PoolBroken& action);
  void execute(const schedule::PoolEnded& action);

  /// False if the frame makes no sense: the worker is then given up.
  bool handle_frame(WorkerId id, Worker& worker, const wire::FrameHeader& header, std::span<const std::byte> payload,
                    detail::Bytes* owned);
  bool handle_outcome(WorkerId id, Worker& worker, const wire::FrameHeader& header, std::span<const std::byte> payload,
                      detail::Bytes* owned);
  void give_up(WorkerId id, Worker& worker);
  /// How long its workers may keep finished results to themselves.
  [[nodiscard]] static std::chrono::nanoseconds hold_back(const PoolState& pool);
  /// The way there, to be written to, or null; `carry_out` flushes it. With thousands of ranks it cannot ask each.
  [[nodiscard]] RankPort* port_to(RankEntry& rank);
  // The shared state (dispatcher_shared.cpp).
  void handle_shared(CallShared& command);
  bool carry_out_shared();
  void execute(SendReply& action);
  void execute(GiveBlob& action);
  void execute(const ForgetAtWorker& action);
  void execute(const ForgetBlob& action);
  void fail_shared_calls(const std::string& why);
  void not_ready_any_more(Worker& worker);
  void update_alive(PoolState& pool);
  void end_by_failure(PoolState& pool);

  schedule::LossId note(Loss loss);
  [[nodiscard]] const Loss* find_loss(schedule::LossId id) const;
  [[nodiscard]] Loss loss_of(WorkerId id, const Worker& worker) const;
  [[nodiscard]] detail::Sink* sink_of(WorkId work);
  [[nodiscard]] detail::FailurePtr failure_for(schedule::Reason reason, schedule::LossId loss, PoolState* pool) const;

  struct Work {
    detail::Ref<detail::Sink> sink;
    PoolState* pool = nullptr;  ///< outlives its works: a pool ends after them
  };

  Roster& roster_;
  schedule::Scheduler scheduler_;
  std::map<Rank, RankEntry> ranks_;
  std::vector<RankEntry*> written_;  ///< since the last flush
  std::map<PoolId, std::shared_ptr<PoolState>> pools_;
  std::map<PoolId, detail::FailurePtr>
      graves_;  ///< why pools broke that have ended: for submissions that were under way
  base::PagedTable<Work> works_;
  base::PagedTable<std::unique_ptr<Worker>> workers_;
  std::deque<Loss> losses_;  ///< the latest; the last one has the number `last_loss_`
  std::uint32_t last_loss_ = 0;
  std::vector<schedule::Action> actions_;
  SharedStore shared_;
  std::map<std::uint64_t, std::shared_ptr<SharedCaller>> callers_;  ///< threads of rank 0 that wait for a reply
  std::uint64_t next_call_ = 1;
  std::vector<SharedAction> shared_actions_;
  schedule::Time now_{0};  ///< as of the last tick
  detail::Gather gather_;
  detail::FailurePtr failed_;  ///< why nothing works any more
  bool job_ended_ = false;
  bool any_rank_lost_ = false;
};

}  // namespace rankpool::engine
