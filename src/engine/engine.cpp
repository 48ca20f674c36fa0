#include "engine/engine.hpp"

#include "base/limits.hpp"
#include "base/log.hpp"
#include "base/pace.hpp"
#include "base/thread_without_signals.hpp"
#include "base/wait_status.hpp"
#include "engine/pool_commands.hpp"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <csignal>
#include <stdexcept>
#include <utility>

namespace rankpool::engine {
namespace {

using Clock = std::chrono::steady_clock;

/// Room that the list of commands keeps between two bursts; more is given back.
constexpr std::size_t kKeptCommands = 4096;
/// Who has closed the descriptor by which the engine is woken cannot wake it: it finds out by itself.
constexpr std::chrono::seconds kLongestSleep{2};

/// What the signal would have done without us.
[[noreturn]] void end_process_by(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal);
  ::_exit(128 + signal);
}

}  // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)), assembled_future_(assembled_.get_future()) {
  thread_ = base::thread_without_signals([this] { thread_main(); });
}

Engine::~Engine() {
  if (thread_.joinable()) end();
}

void Engine::wait_assembled() { assembled_future_.get(); }

void Engine::ask_to_stop(int signal, bool end) noexcept {
  if (end) end_on_stop_.store(true);
  stop_signal_.store(signal);
  mailbox_.wake();
}

void Engine::end() {
  mailbox_.post(EndJob{});
  thread_.join();
}

void Engine::thread_main() noexcept {
  pthread_setname_np(pthread_self(), "rankpool engine");
  try {
    assemble();
    while (phase_ == Phase::serving && !dispatcher_->job_ended()) turn();
  } catch (const std::exception& e) {
    stop_serving(Phase::failed, "the engine has failed: " + base::explain(e));
  } catch (...) {
    stop_serving(Phase::failed, "the engine has failed");
  }
  if (phase_ != Phase::serving) refuse();
  if (phase_ != Phase::failed) leave();
  close_mailbox();
}

void Engine::assemble() {
  const Rank own = options_.own.facts.rank;
  dispatcher_.emplace(roster_);
  local_.emplace(*options_.host);
  dispatcher_->set_port(own, &*local_);
  if (options_.events) {
    Command listen = ListenToTasks{options_.events};
    dispatcher_->handle(listen);
  }
  if (options_.connect) transport_ = options_.connect();
  if (transport_ != nullptr && transport_->size() > 1) {
    remote_ = std::make_unique<RemoteRanks>(*transport_, options_.settings, options_.own, *dispatcher_, &*local_);
    for (const Rank rank : remote_->ranks()) dispatcher_->set_port(rank, remote_->port(rank));
  } else {
    dispatcher_->rank_joined(options_.own.facts);
  }
}

void Engine::turn() {
  const auto now = Clock::now();
  dispatcher_->tick(now.time_since_epoch());
  // Pools that were opened before the request are to hear of it: they are taken in behind the look at it.
  const bool asked_to_stop = stop_signal_.load() != 0;
  bool any = take_commands();
  if (asked_to_stop && !stop_passed_on_) pass_on_stop();
  any |= options_.host->poll(*dispatcher_);
  any |= options_.host->collect_unpublished(*dispatcher_, now);
  if (remote_) any |= remote_->poll(now);
  any |= dispatcher_->carry_out();
  load_.turn(now, any);
  if (remote_) any |= remote_->turned(load_.busy(), !any);
  if (!told_assembled_ && (!remote_ || remote_->assembled())) note_assembled();
  if (phase_ != Phase::serving || dispatcher_->job_ended()) return;
  if (dispatcher_->keeper_gone()) {
    throw std::runtime_error("the keeper process of rank 0 is gone, and all its workers with it");
  }
  if (any) {
    idler_.worked(now);
  } else if (!idler_.look_again(now, options_.host->oversubscribed(), [&] { return options_.host->core_to_spare(); })) {
    const auto deadline = dispatcher_->next_deadline();
    if (deadline && *deadline - now.time_since_epoch() < pace::kSoon) {
      ::sched_yield();
    } else {
      sleep(now);
    }
  }
}

void Engine::note_assembled() {
  told_assembled_ = true;
  assembled_.set_value();
}

void Engine::pass_on_stop() {
  if (end_on_stop_.load()) {
    stop_serving(Phase::told_to_end, "the job was told to end by " + base::signal_name(stop_signal_.load()));
    return;
  }
  stop_passed_on_ = true;
  options_.host->tell_to_stop();
  if (remote_) remote_->tell_to_stop();
  for (const auto& state : dispatcher_->pools_to_stop()) pool::close(mailbox_, *state, true);
}

void Engine::stop_serving(Phase to, const std::string& why) noexcept {
  phase_ = to;
  if (told_assembled_ && to == Phase::failed) base::log_error(why);
  if (dispatcher_) dispatcher_->fail_everything(why);
  if (!std::exchange(told_assembled_, true)) {
    assembled_.set_exception(std::make_exception_ptr(std::runtime_error(why)));
  }
}

void Engine::refuse() noexcept {
  try {
    const auto until = Clock::now() + pace::kStopGrace;
    const bool end_by_signal = end_on_stop_.load();
    while (dispatcher_ && !dispatcher_->job_ended()) {
      if (end_by_signal && Clock::now() >= until) end_process_by(stop_signal_.load());
      if (take_commands()) continue;
      const bool can_be_woken = mailbox_.intact();
      pollfd fd{can_be_woken ? mailbox_.fd() : -1, POLLIN, 0};
      if (mailbox_.prepare_sleep()) ::poll(&fd, 1, end_by_signal || !can_be_woken ? 20 : -1);
      mailbox_.awake(true);
    }
  } catch (...) {
    base::log_error("out of memory while failing the pending tasks");
    ::_exit(1);
  }
}

void Engine::leave() noexcept {
  try {
    // Why it was told to end is not known: a node may be gone.
    const bool rank_lost = phase_ == Phase::told_to_end || dispatcher_->any_rank_lost();
    if (remote_) {
      remote_->dismiss(rank_lost);
      // What is under way to the living leaves before MPI does; the dead do not count, and nobody waits for ever.
      const auto enough = Clock::now() + pace::kFarewell;
      while (transport_->unsent() != 0 && Clock::now() < enough) remote_->poll(Clock::now());
    }
    // Ports go after the dispatcher that uses them.
    dispatcher_.reset();
    local_.reset();
    options_.host.reset();
    if (options_.disconnect) options_.disconnect(rank_lost);
    remote_.reset();
  } catch (const std::exception& error) {
    base::log_error(std::string("the job could not be ended in order: ") + error.what());
  }
}

void Engine::close_mailbox() noexcept {
  std::vector<Command> rest;
  mailbox_.close(rest);
  for (auto& command : rest) {
    if (auto* const call = std::get_if<CallShared>(&command)) call->caller->fail("the job has ended");
  }
}

bool Engine::take_commands() {
  if (mailbox_.empty()) return false;
  mailbox_.take(commands_);
  for (auto& command : commands_) dispatcher_->handle(command);
  commands_.clear();
  if (commands_.capacity() > kKeptCommands) std::vector<Command>().swap(commands_);
  return true;
}

void Engine::sleep(Clock::time_point now) {
  if (!mailbox_.intact()) {
    throw std::runtime_error("the program has closed descriptors of the library's, as who closes all from 3 up does");
  }
  const bool nothing_yet = mailbox_.prepare_sleep() && (stop_signal_.load() == 0 || stop_passed_on_) &&
                           options_.host->prepare_sleep() && (!remote_ || remote_->prepare_sleep());
  std::array<pollfd, 6> fds{{{mailbox_.fd(), POLLIN, 0},
                             {options_.host->wake_fd(), POLLIN, 0},
                             {options_.host->keeper_fd(), POLLIN, 0},
                             {remote_ ? remote_->fd() : -1, POLLIN, 0},
                             {remote_ ? remote_->wakeup_fd() : -1, POLLIN, 0},
                             {alarm_.fd(), POLLIN, 0}}};
  if (nothing_yet) {
    std::optional<Clock::time_point> until;
    const auto no_later_than = [&](Clock::time_point limit) { until = std::min(until.value_or(limit), limit); };
    if (const auto deadline = dispatcher_->next_deadline()) no_later_than(Clock::time_point(*deadline));
    if (options_.host->has_backlog()) no_later_than(now + pace::kRoomLook);
    no_later_than(now + kLongestSleep);
    if (const auto look = options_.host->next_look()) no_later_than(base::roughly(*look, now));
    alarm_.set(until);
    mailbox_.allow_inline_dispatch(*this);
    const int ready = ::poll(fds.data(), fds.size(), -1);
    mailbox_.end_inline_dispatch();
    if (inline_dispatch_failed_) std::rethrow_exception(inline_dispatch_failed_);
    if (remote_ && ready >= 0 && fds[3].revents == 0) remote_->lifelines_are_quiet();
  }
  if (fds[5].revents != 0) alarm_.rang();
  mailbox_.awake(fds[0].revents != 0);
  options_.host->awake(fds[1].revents != 0, fds[2].revents != 0);
  if (remote_) remote_->awake(fds[3].revents != 0, fds[4].revents != 0);
}

channel::FutexWake Engine::serve(Command& command) noexcept {
  channel::FutexWake wakeup;
  try {
    wakeup = local_->with_wakeup_left([&] {
      dispatcher_->note_time(Clock::now().time_since_epoch());
      dispatcher_->handle(command);
      dispatcher_->carry_out();
    });
  } catch (...) {
    inline_dispatch_failed_ = std::current_exception();
  }
  if (inline_dispatch_failed_ || options_.host->has_backlog()) mailbox_.wake();
  return wakeup;
}

}  // namespace rankpool::engine
