#pragma once

#include "base/ids.hpp"
#include "base/paged_table.hpp"
#include "engine/group_dispatcher.hpp"
#include "engine/loss_book.hpp"
#include "engine/mailbox.hpp"
#include "engine/pool_state.hpp"
#include "engine/roster.hpp"
#include "engine/task_events.hpp"
#include "engine/workers.hpp"
#include "schedule/scheduler.hpp"
#include "wire/frame_headers.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rankpool::engine {

/// The tasks' side of the dispatcher: turns commands, frames and deaths into the scheduler's events, and its actions
/// into frames to workers and outcomes of futures and maps.
///
///     commands ──► ┌────────────────┐ ──events──► ┌───────────┐
///     frames   ──► │ TaskDispatcher │             │ Scheduler │
///     deaths   ──► └────────────────┘ ◄─actions── └───────────┘
///                    │      │      │
///             RankPort    ResultReceiver   TaskEvents (if somebody listens)
///             (frames)  (outcomes)
///
/// Engine thread, or who stands in for it (Mailbox). Does no input or output of its own.
class TaskDispatcher {
 public:
  TaskDispatcher(Workers& workers, Roster& roster);
  TaskDispatcher(const TaskDispatcher&) = delete;
  TaskDispatcher& operator=(const TaskDispatcher&) = delete;

  void handle(SubmitWork& command);
  void handle(const ExtendWork& command);
  void handle(const SealWork& command);
  void handle(const CancelWork& command) { scheduler_.work_cancelled(command.work); }
  void handle(OpenPool& command);
  void handle(const ClosePool& command);
  void handle(const SealPool& command) { scheduler_.pool_sealed(command.pool); }
  void handle(const StopPool& command) { scheduler_.pool_stopped(command.pool, command.signal); }
  /// Who begins to listen late is told first of the ranks, pools and workers that there are.
  void handle(ListenToTasks& command);
  void handle(AskTally& command) { command.answer->set_value(command.pool->tally); }

  /// Whether this submission begins with an idle worker whose memory is at hand, and needs no time kept.
  [[nodiscard]] bool can_go_inline(const SubmitWork& command);
  void tick(schedule::Time now);
  [[nodiscard]] std::optional<schedule::Time> next_deadline() const;
  /// Carries out what the scheduler has decided. True if there was anything. `Workers::flush` has to follow.
  bool carry_out();
  /// Ends all pending tasks, and those that come later, with `why`.
  void fail_everything(const std::string& why);
  /// Open pools that are to be closed when the program is asked to stop.
  [[nodiscard]] std::vector<std::shared_ptr<PoolState>> pools_to_stop() const;

  // What ranks tell (RankListener).
  void rank_joined(const RankFacts& facts);
  /// Returns the workers that are gone with it.
  std::vector<WorkerId> rank_lost(Rank rank, const RankEnd& end);
  void worker_started(WorkerId worker, pid_t pid);
  void worker_failed_to_start(WorkerId worker, const std::string& why);
  /// Output of these comes next: has what is known of them fetched into the caches.
  void expect_output(std::span<const WorkerId> workers) noexcept;
  void worker_output(WorkerId worker, std::span<const std::byte> bytes);
  /// False if it had been forgotten already.
  bool worker_ended(WorkerId worker, const host::WorkerEnd& end);

 private:
  struct Work {
    detail::Ref<detail::ResultReceiver> receiver;
    PoolState* pool = nullptr;  ///< outlives its works: a pool ends after them
    std::shared_ptr<const detail::WorkLabel> label;
    bool limited = false;  ///< has a time limit of its own
    [[nodiscard]] std::string_view given_name() const noexcept { return label ? label->name : std::string_view(); }
  };

  // task_dispatcher.cpp: what the scheduler decides
  void execute(const schedule::SendChunk& action);
  void execute(const schedule::StartWorker& action);
  void execute(const schedule::StopWorker& action);
  void execute(const schedule::KillWorker& action);
  void execute(const schedule::RetryItem& action);
  void execute(const schedule::FailItems& action);
  void execute(const schedule::CancelItems& action);
  void execute(const schedule::WorkEnded& action);
  void execute(const schedule::PoolBroken& action);
  void execute(const schedule::PoolEnded& action);
  void execute(const schedule::StartGroup& action);
  void execute(const schedule::KillGroup& action);
  void send_name(WorkerId id, const Worker& worker, std::string_view name);
  void send(WorkerId id, const Worker& worker, const wire::FrameHeader& header,
            const detail::Ref<detail::ResultReceiver>& owner);

  // task_outcomes.cpp: what workers say. False if the frame makes no sense: the worker is then given up.
  bool handle_frame(WorkerId id, Worker& worker, const wire::FrameHeader& header, std::span<const std::byte> payload,
                    detail::Bytes* owned);
  bool handle_outcome(WorkerId id, Worker& worker, const wire::OutcomeHeader& header,
                      std::span<const std::byte> payload, detail::Bytes* owned);
  bool handle_times(WorkerId id, Worker& worker, const wire::OutcomeHeader& header, std::span<const std::byte> payload);
  void became_ready(WorkerId id, Worker& worker);
  void not_ready_any_more(Worker& worker);
  void update_alive(PoolState& pool);
  void end_by_failure(PoolState& pool);
  [[nodiscard]] detail::ResultReceiver* receiver_of(WorkId work);
  [[nodiscard]] NodeId node_of(const std::string& host);

  /// Nobody listens: the event is not even made.
  template <class Make>
  void tell(Make&& make) {
    if (events_) events_->tell(make());
  }

  Workers& workers_;
  Roster& roster_;
  schedule::Scheduler scheduler_;
  std::map<PoolId, std::shared_ptr<PoolState>> pools_;
  /// Why pools broke that have ended: for submissions that were under way.
  std::map<PoolId, detail::FailurePtr> broken_pools_;
  base::PagedTable<Work> works_;
  std::map<std::string, NodeId> nodes_;  ///< by host
  LossBook losses_;
  std::shared_ptr<TaskEvents> events_;  ///< or null
  GroupDispatcher groups_;
  std::vector<schedule::Action> actions_;
  std::optional<ChunkId> last_sent_;
  watch::Time now_ = 0;
  detail::Gather gather_;
  detail::FailurePtr failed_;  ///< why nothing works any more
};

}  // namespace rankpool::engine
