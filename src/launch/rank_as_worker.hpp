#pragma once

#include "channel/channel.hpp"
#include "keeper/keeper.hpp"
#include "worker/host_turns.hpp"

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace rankpool::agent {
class Agent;
}  // namespace rankpool::agent

namespace rankpool::launch {

/// Stands in a keeper's place where a rank is its own worker (MpContext::in_rank): to start a worker is to let this
/// process serve its channel, one at a time. Nobody can be killed: who is told to end leaves its channel when it is
/// through with its task.
///
/// A rank that serves takes its channel by `take_started` and serves it on its main thread, with its agent's turns in
/// between. The root of a communicator of one rank has `serve` called on a thread of its own.
class RankAsWorker final : public keeper::KeeperConnection {
 public:
  using Serve = std::function<void(channel::Channel)>;
  /// @param serve  called on a thread that is made for it, or empty: somebody calls `take_started`
  explicit RankAsWorker(Serve serve = {});
  RankAsWorker(const RankAsWorker&) = delete;
  RankAsWorker& operator=(const RankAsWorker&) = delete;
  ~RankAsWorker() override;

  // KeeperConnection: the host's thread
  bool send(const keeper::KeeperMessage& message, int fd = -1) override;
  std::optional<keeper::KeeperMessage> receive() override;
  [[nodiscard]] bool lost() const noexcept override { return false; }
  [[nodiscard]] int control() const noexcept override { return -1; }
  [[nodiscard]] int wake() const noexcept override { return wake_[0]; }
  void take_rings() noexcept override;

  // The worker's thread
  /// The channel of a worker that was started, once.
  std::optional<channel::Channel> take_started();
  /// It was told to end.
  [[nodiscard]] bool killed();
  /// It serves no longer: has stopped, or was killed.
  void ended();
  /// Wakes the host, if it sleeps: it is another thread.
  void ring_host() noexcept;

 private:
  RankAsWorker(std::unique_ptr<channel::RankPage> page, Serve serve);
  void spawn(std::uint32_t worker, int fd);
  void report(const keeper::KeeperMessage& message);

  std::unique_ptr<channel::RankPage> own_page_;
  int wake_[2] = {-1, -1};
  const Serve serve_;
  std::thread thread_;

  std::mutex mutex_;
  std::deque<keeper::KeeperMessage> reports_;  // guarded by mutex_
  std::optional<std::uint32_t> worker_;        // guarded by mutex_
  std::optional<channel::Channel> started_;    // guarded by mutex_
  int signal_ = 0;                             // guarded by mutex_
};

/// A rank that serves: between its worker's steps its agent has a turn, on the same thread.
class AgentTurns final : public worker::HostTurns {
 public:
  AgentTurns(agent::Agent& agent, RankAsWorker& own) : agent_(agent), own_(own) {}
  void look() noexcept override;
  void wait() override;

 private:
  agent::Agent& agent_;
  RankAsWorker& own_;
  const std::thread::id thread_ = std::this_thread::get_id();
  std::exception_ptr failed_;  ///< in `look`
};

/// The root of a communicator of one rank: its engine is another thread.
class ThreadTurns final : public worker::HostTurns {
 public:
  explicit ThreadTurns(RankAsWorker& own) : own_(own) {}
  void look() noexcept override { own_.ring_host(); }
  void wait() override;

 private:
  RankAsWorker& own_;
};

}  // namespace rankpool::launch
