#include "engine/engine.hpp"

#include "base/log.hpp"

#include <poll.h>
#include <pthread.h>
#include <array>
#include <csignal>
#include <stdexcept>
#include <utility>

namespace rankpool::engine {
namespace {

using Clock = std::chrono::steady_clock;

/// Room that the list of commands keeps between two bursts; more is given back.
constexpr std::size_t kKeptCommands = 4096;

}  // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)), assembled_future_(assembled_.get_future()) {
  // Signals are the business of the user's threads: the new thread inherits a mask that takes none.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { thread_main(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Engine::~Engine() {
  if (thread_.joinable()) end();
}

void Engine::wait_assembled() { assembled_future_.get(); }

void Engine::end() {
  mailbox_.post(EndJob{});
  thread_.join();
}

void Engine::thread_main() noexcept {
  pthread_setname_np(pthread_self(), "rankpool engine");
  try {
    dispatcher_.emplace(roster_);
    local_.emplace(*options_.host, *dispatcher_);
    dispatcher_->set_port(Rank{0}, &*local_);
    if (options_.connect) transport_ = options_.connect();
    if (transport_ && transport_->size() > 1) {
      remote_ = std::make_unique<RemoteRanks>(*transport_, options_.settings, options_.own, *dispatcher_);
      for (std::int32_t rank = 1; rank < transport_->size(); ++rank) {
        dispatcher_->set_port(Rank{rank}, remote_->port(Rank{rank}));
      }
    } else {
      dispatcher_->rank_joined(options_.own.facts);
    }
    loop();
    leave();
  } catch (const std::exception& e) {
    if (!std::exchange(told_assembled_, true)) {
      assembled_.set_exception(std::current_exception());
    } else {
      base::log_error(std::string("the engine has failed: ") + e.what());
    }
    if (dispatcher_) dispatcher_->fail_everything(std::string("the engine has failed: ") + e.what());
  } catch (...) {
    if (dispatcher_) dispatcher_->fail_everything("the engine has failed");
  }
}

void Engine::loop() {
  while (true) {
    const auto now = Clock::now();
    dispatcher_->tick(now.time_since_epoch());
    bool any = take_commands();
    any |= local_->poll();
    if (remote_) any |= remote_->poll(now);
    any |= dispatcher_->carry_out();
    if (!told_assembled_ && (!remote_ || remote_->assembled())) {
      told_assembled_ = true;
      assembled_.set_value();
    }
    if (dispatcher_->job_ended()) return;
    if (local_->keeper_gone()) {
      throw std::runtime_error("the keeper process of rank 0 is gone, and all its workers with it");
    }
    if (any) {
      idler_.worked(now);
    } else if (!idler_.look_again(now)) {
      sleep(now);
    }
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
  const bool nothing_yet =
      mailbox_.prepare_sleep() && options_.host->prepare_sleep() && (!remote_ || remote_->prepare_sleep());
  if (nothing_yet) {
    int timeout = -1;
    if (const auto deadline = dispatcher_->next_deadline()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now.time_since_epoch());
      timeout = left.count() <= 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    }
    if (options_.host->has_backlog()) timeout = timeout < 0 ? 1 : std::min(timeout, 1);
    std::array<pollfd, 4> fds{{{mailbox_.fd(), POLLIN, 0},
                               {options_.host->wake_fd(), POLLIN, 0},
                               {options_.host->keeper_fd(), POLLIN, 0},
                               {remote_ ? remote_->fd() : -1, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), timeout);
  }
  mailbox_.awake();
  options_.host->awake();
}

void Engine::leave() {
  const bool rank_lost = dispatcher_->any_rank_lost();
  if (remote_) {
    remote_->dismiss(rank_lost);
    // What is under way to the living leaves before MPI does; the dead do not count, and nobody waits for ever.
    const auto enough = Clock::now() + std::chrono::seconds(2);
    while (transport_->unsent() != 0 && Clock::now() < enough) remote_->poll(Clock::now());
  }
  // Ports go after the dispatcher that uses them.
  dispatcher_.reset();
  local_.reset();
  options_.host.reset();
  if (options_.disconnect) options_.disconnect(std::move(transport_), rank_lost);
  remote_.reset();
}

}  // namespace rankpool::engine
