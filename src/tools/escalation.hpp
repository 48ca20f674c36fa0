#pragma once

#include <chrono>
#include <optional>
#include <vector>

namespace rankpool::tools {

using Clock = std::chrono::steady_clock;

struct Patience {
  std::chrono::milliseconds after_rank_0{
      5000};  ///< that the launcher has to end once rank 0 has, before it gets SIGTERM
  std::chrono::milliseconds after_term{
      2000};  ///< from there to SIGKILL: an mpirun that has lost a node ends no other way
  /// From a user's first SIGTERM to SIGKILL; none: never, since the program may take its time to end in order.
  std::optional<std::chrono::milliseconds> after_users_term;
};

/// Who sent a signal.
enum class Sender {
  process,   ///< a process, to us alone
  terminal,  ///< the terminal, to all of its foreground processes: the launcher has it already
};

/// Decides which signals the launcher gets and when. Knows no clock and sends nothing.
class Escalation {
 public:
  explicit Escalation(Patience patience) : patience_(patience) {}

  /// What to send to the launcher for a signal that came here.
  std::vector<int> on_signal(int signal, Sender sender, Clock::time_point now);
  void on_rank_0_ended(Clock::time_point now);
  /// What is due by now.
  std::vector<int> due(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> next() const;
  /// The signal from outside that asked for the end first.
  [[nodiscard]] std::optional<int> asked_to_end() const noexcept { return asked_to_end_; }

 private:
  void kill_at(Clock::time_point when);

  Patience patience_;
  int interrupts_ = 0;
  int terms_ = 0;
  std::optional<int> asked_to_end_;
  bool rank_0_ended_ = false;
  std::optional<Clock::time_point> term_at_;
  std::optional<Clock::time_point> kill_at_;
};

}  // namespace rankpool::tools
