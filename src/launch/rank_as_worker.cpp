#include "launch/rank_as_worker.hpp"

#include "agent/agent.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace rankpool::launch {

using keeper::KeeperMessage;
using Kind = keeper::KeeperMessage::Kind;

RankAsWorker::RankAsWorker(Serve serve) : RankAsWorker(std::make_unique<channel::RankPage>(), std::move(serve)) {}

RankAsWorker::RankAsWorker(std::unique_ptr<channel::RankPage> page, Serve serve)
    : KeeperConnection(page.get()), own_page_(std::move(page)), serve_(std::move(serve)) {
  if (!serve_) return;  // host and worker are one thread: nobody is woken
  if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::system_error(errno, std::generic_category(), "a pipe");
  for (int& fd : wake_) fd = base::to_high_number(fd);
}

RankAsWorker::~RankAsWorker() {
  if (thread_.joinable()) thread_.join();
  for (const int fd : wake_) {
    if (fd >= 0) ::close(fd);
  }
}

bool RankAsWorker::send(const KeeperMessage& message, int fd) {
  // Workers here are served by this process alone: the root cannot have their channels.
  if (message.kind == Kind::other_page || message.kind == Kind::other_wake) return false;
  if (message.kind == Kind::spawn) {
    spawn(message.worker, fd);
  } else if (message.kind == Kind::kill) {
    const std::lock_guard lock(mutex_);
    if (worker_ == message.worker) signal_ = message.number;
  }
  return true;
}

void RankAsWorker::spawn(std::uint32_t worker, int fd) {
  try {
    {
      const std::lock_guard lock(mutex_);
      if (worker_) {
        reports_.push_back({Kind::spawn_failed, worker, EBUSY, 0});
        page().keeper_events.fetch_add(1, std::memory_order_seq_cst);
        return;
      }
    }
    const int own = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) return report({Kind::spawn_failed, worker, errno, 0});
    channel::Channel channel(own);
    if (thread_.joinable()) thread_.join();  // of the worker before
    {
      const std::lock_guard lock(mutex_);
      worker_ = worker;
      signal_ = 0;
      if (!serve_) started_.emplace(std::move(channel));
    }
    if (serve_) thread_ = std::thread([this, to = std::move(channel)]() mutable { serve_(std::move(to)); });
    report({Kind::spawned, worker, ::getpid(), 0});
  } catch (const std::system_error& e) {
    {
      const std::lock_guard lock(mutex_);
      worker_.reset();
    }
    report({Kind::spawn_failed, worker, e.code().value(), 0});
  }
}

std::optional<KeeperMessage> RankAsWorker::receive() {
  const std::lock_guard lock(mutex_);
  if (reports_.empty()) return std::nullopt;
  const KeeperMessage message = reports_.front();
  reports_.pop_front();
  return message;
}

void RankAsWorker::report(const KeeperMessage& message) {
  {
    const std::lock_guard lock(mutex_);
    reports_.push_back(message);
  }
  page().keeper_events.fetch_add(1, std::memory_order_seq_cst);
}

void RankAsWorker::take_rings() noexcept {
  std::array<char, 256> rings;
  if (wake_[0] >= 0) (void)!::read(wake_[0], rings.data(), rings.size());
}

std::optional<channel::Channel> RankAsWorker::take_started() {
  const std::lock_guard lock(mutex_);
  std::optional<channel::Channel> channel;
  if (started_) channel.emplace(std::move(*started_));
  started_.reset();
  return channel;
}

bool RankAsWorker::killed() {
  const std::lock_guard lock(mutex_);
  return signal_ != 0;
}

void RankAsWorker::ended() {
  KeeperMessage message{Kind::ended, 0, ::getpid(), 0};
  {
    const std::lock_guard lock(mutex_);
    if (!worker_) return;
    message.worker = *worker_;
    message.status = signal_;  // as waitpid gives it
    worker_.reset();
    signal_ = 0;
  }
  report(message);
  ring_host();
}

void RankAsWorker::ring_host() noexcept {
  if (wake_[1] < 0 || !page().wake_or_ring()) return;
  const char one = 1;
  (void)!::write(wake_[1], &one, 1);
}

void AgentTurns::look() noexcept {
  if (std::this_thread::get_id() != thread_ || failed_) return;
  try {
    agent_.turn(agent::Agent::Rest::none);
  } catch (...) {
    failed_ = std::current_exception();
  }
}

void AgentTurns::wait() {
  if (failed_) std::rethrow_exception(failed_);
  if (agent_.ending() || own_.killed()) throw worker::HostGone();
  agent_.turn(agent::Agent::Rest::allowed);
}

void ThreadTurns::wait() {
  if (own_.killed()) throw worker::HostGone();
  ::poll(nullptr, 0, 1);
}

}  // namespace rankpool::launch
