#pragma once

#include "agent/blob_relay.hpp"
#include "base/alarm.hpp"
#include "base/gathering.hpp"
#include "base/idler.hpp"
#include "base/settings.hpp"
#include "channel/channel.hpp"
#include "host/worker_host.hpp"
#include "liveness/lifeline.hpp"
#include "liveness/wake_channel.hpp"
#include "transport/transport.hpp"
#include "wire/messages.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::agent {

/// How an agent's service ended.
enum class Ending : std::uint8_t {
  dismissed,            ///< the job is over and all ranks live: MPI_Finalize is safe
  dismissed_with_loss,  ///< the job is over and a rank was lost: leave without MPI_Finalize
  rank_0_lost,          ///< nobody is left to serve
  keeper_lost,          ///< this rank has no workers any more
};

struct AgentOptions {
  base::Settings settings;
  /// What this rank says of itself.
  wire::Hello hello;
  /// Called once the lifeline stands, with its descriptor: the keeper is to hold it too, so that it can tell how we
  /// died.
  std::function<void(int fd)> share_lifeline;
};

/// What every rank but rank 0 does: passes bytes between rank 0 and its own workers, and tells of their deaths. It
/// never reads what it passes on, and never blocks in MPI. The main thread of the rank.
class Agent final : private host::HostListener {
 public:
  Agent(transport::Transport& transport, host::WorkerHost& host, AgentOptions options);
  ~Agent();

  /// Serves until the job is over. Throws what it cannot go on after: `say_farewell` is to follow.
  Ending run();

  /// Whether a turn in which there is nothing to do may end in sleep.
  enum class Rest : std::uint8_t { none, allowed };
  /// One look at all there is to do. Throws as `run` does.
  void turn(Rest rest);
  /// How it has ended, if it has: no turn follows.
  [[nodiscard]] const std::optional<Ending>& ending() const noexcept { return ending_; }

 private:
  [[nodiscard]] bool nothing_under_way() const;
  bool take_messages(std::chrono::steady_clock::time_point now);
  /// `owner` holds what the message refers to.
  void handle(const wire::Message& message, const std::shared_ptr<const detail::Bytes>& owner);
  void handle(const liveness::LifelineEvent& event);
  void welcome(const wire::Welcome& welcome);
  /// Lets our keeper have what workers share with rank 0, if that is on our node. False if it cannot be had.
  bool take_up_root(const wire::Welcome& welcome);
  void start(const wire::StartWorker& start);
  /// Tells how much of the large input has been taken.
  void tell_taken();
  /// Appends what does not wait for other messages.
  void say(const wire::Message& message);
  /// Whether what has been appended may wait: while rank 0 is busy, small messages gather.
  [[nodiscard]] bool may_wait(std::chrono::steady_clock::time_point now) const;
  void send_batch();
  bool look_at_lifeline(std::chrono::steady_clock::time_point now);
  bool tell_that_we_sleep();
  void sleep();

  // HostListener
  void worker_started(WorkerId worker, pid_t pid) override;
  void worker_failed_to_start(WorkerId worker, const std::string& why) override;
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override;
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override;
  void worker_ended(WorkerId worker, const host::WorkerEnd& end) override;
  void keeper_lost() override;

  transport::Transport& transport_;
  host::WorkerHost& host_;
  AgentOptions options_;
  std::optional<liveness::Lifeline> lifeline_;
  std::optional<liveness::WakeChannel> wakeup_;  ///< with the lifeline
  std::int64_t root_pid_ = 0;
  bool rank_0_asleep_ = false;  ///< it has to be rung for the next message
  bool knows_we_sleep_ = false;
  std::optional<Ending> ending_;
  const std::chrono::steady_clock::time_point invited_until_;
  detail::Bytes batch_;
  bool batch_is_urgent_ = false;  ///< there is more in it than results
  bool batch_waits_ = false;
  std::uint64_t waited_ = 0;  ///< messages that have
  base::Gathering gathering_;
  std::optional<wire::Received> received_;  ///< in the message that is being read
  BlobRelay relay_{transport_, host_, [this](const wire::Message& message) { say(message); }};
  bool dismissed_ = false;  ///< ends once the relay has parted with other agents
  std::vector<WorkerId> written_;
  std::map<WorkerId, std::uint64_t> untold_;  ///< large input that rank 0 was not told to have been taken
  std::vector<transport::Incoming> arrived_;
  std::vector<liveness::LifelineEvent> events_;
  std::chrono::steady_clock::time_point next_look_{};
  bool lifeline_is_quiet_ = false;  ///< as was seen just now, without a look at it
  base::Idler idler_{channel::Channel::on_one_core()};
  base::Alarm alarm_;
};

/// Tells rank 0 why this rank can do no more, and waits, for a moment, until that is on its way. False if even that
/// fails.
bool say_farewell(transport::Transport& transport, const std::string& why) noexcept;

}  // namespace rankpool::agent
