#include "engine/mailbox.hpp"

#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <system_error>

namespace rankpool::engine {

Mailbox::Mailbox() : fd_(base::to_high_number(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))), identity_(fd_) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Mailbox::~Mailbox() { ::close(fd_); }

void Mailbox::post(Command command) {
  post_locked([&] { return std::move(command); });
}

bool Mailbox::post_if_open(Command command) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    incoming_.push_back(std::move(command));
    filled_.store(true, std::memory_order_seq_cst);
  }
  wake();
  return true;
}

void Mailbox::close(std::vector<Command>& taken) {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  incoming_.swap(taken);
}

void Mailbox::take(std::vector<Command>& taken) {
  const std::lock_guard lock(mutex_);
  incoming_.swap(taken);
  filled_.store(false, std::memory_order_seq_cst);
}

bool Mailbox::prepare_sleep(Sleep sleep) {
  sleep_.store(sleep, std::memory_order_seq_cst);
  return empty();
}

void Mailbox::lend_engine(StandIn& by) {
  const std::lock_guard lock(lent_mutex_);
  stand_in_ = &by;
}

void Mailbox::take_engine_back() {
  wanted_back_.store(true, std::memory_order_seq_cst);
  interrupt_stand_in();
  const std::lock_guard lock(lent_mutex_);
  stand_in_ = nullptr;
  wanted_back_.store(false, std::memory_order_relaxed);
  while (wakers_.load(std::memory_order_seq_cst) != 0) ::sched_yield();  // one may be about to interrupt who stood in
}

/// With the mailbox locked, so that those who come later find either an inline dispatch under way, and post, or this
/// work begun.
bool Mailbox::begin_inline_dispatch(const SubmitWork& submission) {
  // Once somebody has rung, the engine is on its way.
  if (sleep_.load(std::memory_order_relaxed) != Sleep::in_poll || !incoming_.empty() || !lent_mutex_.try_lock())
    return false;
  if (stand_in_ != nullptr && stand_in_->takes(submission)) return true;
  lent_mutex_.unlock();
  return false;
}

void Mailbox::dispatch_inline(SubmitWork&& submission) noexcept {
  Command command(std::move(submission));
  std::vector<channel::FutexWake> wakeups = stand_in_->serve(command);
  lent_mutex_.unlock();
  // Not before: a worker may take this very core, and its outcome would find this dispatch under way.
  channel::ring(wakeups);
}

/// While the engine is awake: waits for it to fall asleep, which it does at once when it has nothing to do. False if it
/// goes on having something.
bool Mailbox::await_sleep(StandIn::Goal& goal) {
  const auto begin = StandIn::Clock::now();
  if (begin.time_since_epoch() < volunteer_from_.load(std::memory_order_relaxed)) return false;
  volunteers_.fetch_add(1, std::memory_order_relaxed);
  bool asleep = false;
  bool reached = false;
  for (int i = 1; !asleep && !reached; ++i) {
    if (i % 16 == 0) {
      ::sched_yield();
      if (StandIn::Clock::now() - begin > pace::kVolunteer) break;
    }
    reached = goal.reached();
    asleep = sleep_.load(std::memory_order_seq_cst) == Sleep::in_poll;
  }
  volunteers_.fetch_sub(1, std::memory_order_relaxed);
  if (asleep || reached) {
    volunteer_pause_.store(pace::kVolunteer, std::memory_order_relaxed);
  } else {
    const auto pause = std::min(2 * volunteer_pause_.load(std::memory_order_relaxed), pace::kVolunteerAgain);
    volunteer_pause_.store(pause, std::memory_order_relaxed);
    volunteer_from_.store(begin.time_since_epoch() + pause, std::memory_order_relaxed);
    rest_until_.store(begin.time_since_epoch() + pace::kVolunteered, std::memory_order_relaxed);
  }
  return asleep;
}

/// Takes the place of one that gives way. False if there is none, or if it takes too long.
bool Mailbox::replace_stand_in(StandIn::Goal& goal) {
  if (!gives_way_.load(std::memory_order_relaxed)) return false;
  wanted_away_.store(true, std::memory_order_seq_cst);
  wakers_.fetch_add(1, std::memory_order_seq_cst);
  interrupt_stand_in();
  wakers_.fetch_sub(1, std::memory_order_seq_cst);
  return await_sleep(goal);
}

void Mailbox::interrupt_stand_in() noexcept {
  if (StandIn* const at_work = at_work_.load(std::memory_order_seq_cst)) at_work->interrupt();
}

void Mailbox::stand_in_until(StandIn::Goal& goal, const std::optional<StandIn::Clock::time_point>& deadline) {
  if (sleep_.load(std::memory_order_relaxed) != Sleep::in_poll &&
      (goal.gives_way() || !(stood_in_for() ? replace_stand_in(goal) : await_sleep(goal)))) {
    return;
  }
  const std::unique_lock lock(lent_mutex_, std::try_to_lock);
  if (!lock || stand_in_ == nullptr || sleep_.exchange(Sleep::none, std::memory_order_seq_cst) == Sleep::none) return;
  wanted_away_.store(false, std::memory_order_relaxed);
  gives_way_.store(goal.gives_way(), std::memory_order_relaxed);
  at_work_.store(stand_in_, std::memory_order_seq_cst);
  stand_in_->begin_turns();
  while (!has_to_leave() && !goal.reached() && stand_in_->turn(goal, deadline)) {
  }
  at_work_.store(nullptr, std::memory_order_seq_cst);
  stand_in_->end_turns();
}

void Mailbox::awake(bool rung) {
  sleep_.store(Sleep::none, std::memory_order_seq_cst);
  if (rung) take_ring();
}

void Mailbox::take_ring() noexcept {
  if (!intact()) return;
  std::uint64_t count = 0;
  [[maybe_unused]] const auto drained = ::read(fd_, &count, sizeof count);
}

void Mailbox::wake() noexcept {
  if (sleep_.load(std::memory_order_seq_cst) == Sleep::none) return;
  wakers_.fetch_add(1, std::memory_order_seq_cst);
  // One post wakes; those behind it need not ring again.
  switch (sleep_.exchange(Sleep::none, std::memory_order_seq_cst)) {
    case Sleep::none:
      break;
    case Sleep::of_stand_in:
      interrupt_stand_in();
      break;
    case Sleep::in_poll:
      if (!intact()) break;  // it may be a file of the program by now
      const std::uint64_t one = 1;
      [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
      break;
  }
  wakers_.fetch_sub(1, std::memory_order_seq_cst);
}

}  // namespace rankpool::engine
