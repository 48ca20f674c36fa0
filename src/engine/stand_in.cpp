// What other threads do in the engine's place while it sleeps: hand out what they submit, and take from the workers
// what they wait for.
#include "engine/engine.hpp"

#include <utility>

namespace rankpool::engine {

std::vector<channel::FutexWake> Engine::serve(Command& command) noexcept {
  const bool many = std::get<SubmitWork>(command).spec.items > 1;
  local_->leave_wakeups();
  try {
    const auto now = Clock::now();
    idler_.worked(now);
    // The scheduler is not to take this for the moment in which the worker's last task ended: it may be of another
    // kind.
    dispatcher_->tick(now.time_since_epoch());
    dispatcher_->handle(command);
    dispatcher_->carry_out();
    if (many) set_alarm(now);
  } catch (...) {
    stand_in_failed_ = std::current_exception();
  }
  if (needs_own_thread() || options_.host->has_backlog()) mailbox_.wake();
  return local_->take_wakeups();
}

void Engine::begin_turns() noexcept { options_.host->awake(false, false); }

bool Engine::turn(Goal& goal, const std::optional<Clock::time_point>& deadline) noexcept {
  try {
    const auto now = Clock::now();
    if (deadline && now >= *deadline) return false;
    dispatcher_->tick(now.time_since_epoch());
    bool any = look(now);
    any |= dispatcher_->carry_out();
    if (needs_own_thread()) return false;
    if (any) {
      idler_.worked(now);
    } else if (!idler_.look_again(now, options_.host->oversubscribed(),
                                  [&] { return options_.host->core_to_spare(); })) {
      rest(goal, deadline, now);
    }
    return true;
  } catch (...) {
    stand_in_failed_ = std::current_exception();
    return false;
  }
}

void Engine::rest(Goal& goal, const std::optional<Clock::time_point>& deadline, Clock::time_point now) {
  auto& host = *options_.host;
  const std::uint32_t seen = host.wakeups();
  if (mailbox_.prepare_rest() && !stop_is_new() && host.prepare_sleep(channel::HostSleeps::on_futex) &&
      !goal.reached()) {
    set_alarm(now);  // it wakes the engine, which then interrupts
    host.sleep_on_futex(seen, deadline);
  }
  mailbox_.rested();
  host.awake(false, false);
}

void Engine::end_turns() noexcept {
  try {
    const bool nothing_yet = mailbox_.prepare_sleep() && !stop_is_new() && options_.host->prepare_sleep();
    set_alarm(Clock::now());
    if (nothing_yet && !needs_own_thread()) return;
  } catch (...) {
    stand_in_failed_ = std::current_exception();
  }
  mailbox_.wake();
}

void Engine::interrupt() noexcept { options_.host->end_sleep_on_futex(); }

bool Engine::needs_own_thread() const noexcept {
  return stand_in_failed_ || phase_ != Phase::serving || dispatcher_->job_ended() || dispatcher_->keeper_gone() ||
         stop_is_new() || (remote_ && remote_->needs_engine());
}

}  // namespace rankpool::engine
