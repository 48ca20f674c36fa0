#include "tools/escalation.hpp"

#include <algorithm>
#include <csignal>

namespace rankpool::tools {

void Escalation::kill_at(Clock::time_point when) { kill_at_ = kill_at_ ? std::min(*kill_at_, when) : when; }

std::vector<int> Escalation::on_signal(int signal, Sender sender, Clock::time_point now) {
  if (!asked_to_end_ && (signal == SIGINT || signal == SIGTERM || signal == SIGHUP)) asked_to_end_ = signal;
  if (signal == SIGINT && ++interrupts_ >= 2) {
    if (interrupts_ > 2) return {SIGKILL};
    kill_at(now + patience_.after_term);
    return {SIGTERM};
  }
  if (signal == SIGTERM) {
    if (++terms_ >= 2) {
      kill_at(now + patience_.after_term);
    } else if (patience_.after_users_term) {
      kill_at(now + *patience_.after_users_term);
    }
  }
  if (sender == Sender::terminal) return {};
  return {signal};
}

void Escalation::on_rank_0_ended(Clock::time_point now) {
  if (rank_0_ended_) return;
  rank_0_ended_ = true;
  term_at_ = now + patience_.after_rank_0;
}

std::vector<int> Escalation::due(Clock::time_point now) {
  std::vector<int> signals;
  if (term_at_ && *term_at_ <= now) {
    term_at_.reset();
    kill_at(now + patience_.after_term);
    signals.push_back(SIGTERM);
  }
  if (kill_at_ && *kill_at_ <= now) {
    kill_at_.reset();
    term_at_.reset();
    signals.push_back(SIGKILL);
  }
  return signals;
}

std::optional<Clock::time_point> Escalation::next() const {
  if (term_at_ && kill_at_) return std::min(*term_at_, *kill_at_);
  return term_at_ ? term_at_ : kill_at_;
}

}  // namespace rankpool::tools
