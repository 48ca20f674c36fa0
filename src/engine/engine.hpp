#pragma once

#include "base/alarm.hpp"
#include "base/gathering.hpp"
#include "base/idler.hpp"
#include "base/oversubscription.hpp"
#include "base/settings.hpp"
#include "channel/channel.hpp"
#include "engine/dispatcher.hpp"
#include "engine/local_port.hpp"
#include "engine/mailbox.hpp"
#include "engine/remote_ranks.hpp"
#include "engine/roster.hpp"
#include "host/worker_host.hpp"
#include "transport/transport.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

namespace rankpool::engine {

/// What the engine is started with.
struct EngineOptions {
  base::Settings settings;
  LocalRankInfo own;
  base::StartedBy started_by;
  /// Who is told of tasks from the start, or null.
  std::shared_ptr<TaskEvents> events;
  /// Lines of the terminal that are kept for progress: shared with the keeper, or null.
  std::atomic<std::uint32_t>* terminal_lines = nullptr;
  /// Rank 0's own workers.
  std::shared_ptr<host::WorkerHost> host;
  /// The ranks are their own workers, and no others are started (MpContext::in_rank).
  bool in_rank = false;
  /// Called on the engine thread, the one that will use the transport; empty for a job of this one rank.
  std::function<transport::Transport*()> connect;
  /// Called on the engine thread at the very end: nobody uses the transport of `connect` any more.
  std::function<void(bool rank_lost)> disconnect;
};

/// Rank 0's engine: one thread that carries tasks to workers and outcomes home.
///
///     user's threads ── Mailbox ──► ┌─────────────────────┐ ◄──► LocalPort ──► own workers (shared memory)
///                                   │ loop ── Dispatcher  │
///     futures  ◄──── ResultReceiver ───────── └─────────────────────┘ ◄──► RemoteRanks ──► agents (MPI, lifelines)
///
/// Made and ended by `run`. Its mailbox and roster may be used from any thread as long as it lives.
class Engine final : private InlineDispatcher {
 public:
  explicit Engine(EngineOptions options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Waits until all ranks are there. Throws what made the start fail.
  void wait_assembled();
  /// Ends the job: workers and agents leave. All pools must have ended. Waits for the thread.
  void end();

  /// From a signal handler: the program is asked to stop. `end`: it does not know how to, so that the engine breaks
  /// what is pending and ends the process by this signal, unless the program is quicker.
  void ask_to_stop(int signal, bool end) noexcept;

  [[nodiscard]] Mailbox& mailbox() noexcept { return mailbox_; }
  [[nodiscard]] const Roster& roster() const noexcept { return roster_; }
  [[nodiscard]] const base::Settings& settings() const noexcept { return options_.settings; }
  [[nodiscard]] bool in_rank() const noexcept { return options_.in_rank; }
  [[nodiscard]] base::StartedBy started_by() const noexcept { return options_.started_by; }

 private:
  // InlineDispatcher: in any thread, while the engine's sleeps.
  bool takes(const SubmitWork& command) override { return dispatcher_->can_go_inline(command); }
  channel::FutexWake serve(Command& command) noexcept override;

  /// What the engine thread does for those who ask.
  ///
  ///     serving ───────────────────────────► (leaves)     the job has ended
  ///        ├──► told_to_end ── grace over ──► (the process ends by the signal)
  ///        │         └──────────────────────► (leaves)     the job has ended: the program was quicker
  ///        └──► failed ─────────────────────► (stays)      the job has ended; MPI is left as it is
  enum class Phase : std::uint8_t {
    serving,
    told_to_end,  ///< by a signal that the program does not see to: what was pending has failed, whatever comes fails
    failed,       ///< likewise, since the engine can do nothing any more
  };

  void thread_main() noexcept;
  void assemble();
  /// One look at all there is to do.
  void turn();
  void sleep(std::chrono::steady_clock::time_point now);
  bool take_commands();
  void note_assembled();
  void pass_on_stop();
  /// From `serving` to another phase: all that is pending fails with `why`.
  void stop_serving(Phase to, const std::string& why) noexcept;
  /// Until the job ends: whatever is asked for fails.
  void refuse() noexcept;
  /// Goes out of MPI in order.
  void leave() noexcept;
  /// The thread ends: nobody is left waiting for it.
  void close_mailbox() noexcept;

  EngineOptions options_;
  Mailbox mailbox_;
  Roster roster_;
  std::promise<void> assembled_;
  std::future<void> assembled_future_;
  std::atomic<int> stop_signal_{0};
  std::atomic<bool> end_on_stop_{false};

  // Engine thread only, or who stands in for it.
  Phase phase_ = Phase::serving;
  bool told_assembled_ = false;
  std::optional<Dispatcher> dispatcher_;
  transport::Transport* transport_ = nullptr;  ///< or null: this rank is alone
  std::optional<LocalPort> local_;
  std::unique_ptr<RemoteRanks> remote_;
  std::vector<Command> commands_;
  base::Idler idler_{channel::Channel::on_one_core()};
  base::Load load_;
  base::Alarm alarm_;
  bool stop_passed_on_ = false;
  std::exception_ptr inline_dispatch_failed_;

  std::thread thread_;
};

}  // namespace rankpool::engine
