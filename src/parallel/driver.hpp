#pragma once

#include "parallel/command.hpp"
#include "parallel/events.hpp"
#include "parallel/halt.hpp"
#include "parallel/idle_nodes.hpp"
#include "parallel/item_queue.hpp"
#include "parallel/joblog.hpp"
#include "parallel/median.hpp"
#include "parallel/options.hpp"
#include "parallel/printer.hpp"
#include "parallel/results.hpp"
#include "parallel/template.hpp"

#include <rankpool/rankpool.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

namespace rankpool::parallel {

/// A line on standard error.
void say(const std::string& text);

/// Runs a list of commands: rank 0's side. As many commands are handed out as there are slots, and no more, so that
/// none waits behind another while a worker is idle, and a halt is a halt. One that has failed and waits for a worker
/// of another node takes no slot meanwhile.
///
///     ItemQueue ──► next_job ──► start ──► (executor) ──► Events ──► ended ──► Joblog, Results, Printer, Tally
///     (thread)                     ▲                                   │
///                                  └────────── retries ◄───────────────┘
///
/// The main thread does all this, and takes turns with the callbacks of commands that have ended: while it sleeps they
/// look at the end and start what comes next, which saves waking it for each command.
class Driver {
 public:
  Driver(const Options& options, std::unique_ptr<Input> input, Template command);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  /// Returns the exit status. Throws what the user is to be told as std::exception.
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    Item item;
    std::string text;
    int slot = 0;
    std::uint32_t attempt = 0;
    std::uint64_t pieces = 0;             ///< that have come
    std::optional<CommandResult> result;  ///< waits for the rest of its pieces
    Future<CommandResult> future;         ///< empty once it has `returned`
    bool returned = false;
    std::optional<int> rank;     ///< that it runs on, if workers tell
    std::vector<int> failed_on;  ///< ranks
    bool elsewhere = false;      ///< waits for a worker of a node where it has not failed
  };
  enum class Phase {
    running,
    finishing,  ///< no new commands
    stopping,   ///< what runs is ended
  };

  void dry_run();
  void read_history();
  void open_executor();
  /// Commands that can run at a time on the ranks that live.
  [[nodiscard]] int count_places() const;
  void start_what_can_be();
  /// Places that stay free for now: those of commands that wait for another node.
  [[nodiscard]] std::size_t waiting_elsewhere();
  /// Ranks of nodes where the command has failed more often than on others.
  [[nodiscard]] static std::vector<int> ranks_to_avoid(const Job& job);
  [[nodiscard]] int next_slot() const;
  void take_slot();
  /// The next one that is to be run, if there is one by now.
  std::optional<Job> next_job();
  [[nodiscard]] bool is_to_be_run(const Job& job);
  void start(Job job);
  /// Starts what can be started now; false if all is over.
  bool go_on();
  /// Any thread.
  void command_done(std::uint64_t seq, Future<CommandResult> future);
  void handle(Event event);
  void handle_piece(const Piece& piece);
  void handle_result(std::uint64_t seq, Future<CommandResult> future);
  void handle_signal(const StopSignal& signal);
  void ended(std::map<std::uint64_t, Job>::iterator job, CommandResult result);
  /// No new commands: forgets those that wait for a worker.
  void finish_running();
  /// Ends what runs and forgets it.
  void stop_now();
  void say_halt(const std::string& command, bool failed);
  [[nodiscard]] Clock::time_point wake_up_at() const;
  void open_progress();
  /// Once nothing is left that idle nodes could do.
  void give_back_idle_nodes();
  [[nodiscard]] std::string tag_of(const Job& job) const;

  const Options& options_;
  Template command_;
  std::vector<std::string> argument_names_;
  Events events_;
  Turn turn_;
  std::exception_ptr failure_;  ///< of a callback's turn
  ItemQueue items_;
  bool input_ended_ = false;
  History history_;
  std::uint64_t joblog_size_ = 0;
  std::unique_ptr<Joblog> joblog_;
  std::unique_ptr<Results> results_;
  Printer printer_;
  std::optional<Progress> progress_;
  std::optional<IdleNodes> idle_nodes_;
  Tally tally_;
  Median runtimes_;
  std::optional<Value<double>> time_limit_;
  bool several_ranks_ = false;

  std::size_t slots_ = 1;
  int slot_numbers_ = 0;  ///< as many have been given out at a time
  std::priority_queue<int, std::vector<int>, std::greater<>> free_slots_;
  std::deque<Job> again_;  ///< to be tried once more
  std::map<std::uint64_t, Job> running_;
  std::size_t elsewhere_ = 0;  ///< of `running_`: those that may still wait for another node
  Clock::time_point next_start_{};
  std::optional<double> stop_at_;  ///< seconds since 1970: no new commands then
  Phase phase_ = Phase::running;
  int stop_signal_ = 0;
  pid_t stopped_by_ = 0;
  Clock::time_point stopped_at_{};
  std::unique_ptr<PieceReader> pieces_;  ///< outlives the workers
  std::optional<ProcessPoolExecutor> executor_;
};

}  // namespace rankpool::parallel
