#pragma once

#include "base/cores.hpp"
#include "base/settings.hpp"
#include "engine/blob_routes.hpp"
#include "engine/local_port.hpp"
#include "engine/rank_port.hpp"
#include "engine/remote_port.hpp"
#include "liveness/lifeline.hpp"
#include "liveness/wake_channel.hpp"
#include "transport/transport.hpp"
#include "wire/messages.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::engine {

/// What this rank is to the others: they must run the same program.
struct LocalRankInfo {
  std::uint64_t build = 0;
  RankFacts facts;
  base::CoreAllowance allowance;
  bool serves = true;  ///< false: it runs no tasks (MpContext::in_rank)
};

/// All ranks but the root, seen from the root: messages over the transport, life and death over the lifelines. Engine
/// thread.
class RemoteRanks final : private BlobRoutes::Line {
 public:
  /// Invites all ranks. The transport must outlive this. `local`: the way to this rank's own workers, which the workers
  /// of its node's other ranks go by too; it must be there as long as ranks are written to or polled. Null: none do.
  RemoteRanks(transport::Transport& transport, const base::Settings& settings, LocalRankInfo own,
              RankListener& listener, LocalPort* local = nullptr);
  ~RemoteRanks() override;

  /// All of them, whether they have joined or not.
  [[nodiscard]] std::vector<Rank> ranks() const;
  [[nodiscard]] RankPort* port(Rank rank);
  /// Takes what has come in. True if there was anything.
  bool poll(std::chrono::steady_clock::time_point now);
  /// True once every rank has joined, was refused, or did not answer in time; the listener has then been told of those
  /// that did.
  [[nodiscard]] bool assembled() const noexcept { return assembled_; }
  /// From now on until `take_back` another thread stands in for the engine's, and MPI is not its to use: what it has to
  /// send is kept until then.
  void lend() noexcept { lent_ = true; }
  void take_back();
  /// There is something to do for the engine's thread alone.
  [[nodiscard]] bool needs_engine() const noexcept;

  /// A turn of the engine is over. `busy`: it has much to do, and agents' small messages are to gather; `idle`: in this
  /// turn there was nothing to do, so that who waits for an answer gets it. True if somebody did.
  bool turned(bool busy, bool idle);
  /// Lets all workers see that the program is asked to stop.
  void tell_to_stop();
  /// Asks every rank that is left to leave.
  void dismiss(bool rank_lost);

  /// From now on whatever happens makes `fd()` or `wakeup_fd()` readable. False if polling is needed at once.
  bool prepare_sleep();
  /// Has to be called after that, however it ended. `told`: `fd()` was readable; `rung`: `wakeup_fd()` was.
  void awake(bool told, bool rung) {
    if (told) next_look_ = {};
    wakeups_.awake(rung);
  }
  /// `fd()` was looked at after `prepare_sleep`, and was not readable.
  void lifelines_are_quiet() { quiet_ = assembled_; }
  [[nodiscard]] int fd() const { return lifelines_.fd(); }
  [[nodiscard]] int wakeup_fd() const { return wakeups_.fd(); }

 private:
  enum class Standing : std::uint8_t { invited, greeted, member, refused, lost };
  struct Peer {
    Rank rank{};
    std::unique_ptr<RemotePort> port;
    Standing standing = Standing::invited;
    bool on_the_line = false;     ///< its lifeline is there
    bool peer_asleep = false;     ///< it has to be rung for the next message
    bool knows_we_sleep = false;  ///< it will ring for its next message
    bool owed = false;            ///< it has not been told yet that its last message was received
    bool told_busy = false;       ///< it may wait until it is
    wire::Hello hello;
  };

  /// Throws std::out_of_range for what is none.
  [[nodiscard]] Peer& peer(Rank rank);
  void receive(const transport::Incoming& message);
  /// False if the message is not about broadcasts.
  bool receive_of_blobs(Rank from, const wire::Message& message);
  void greet(Peer& peer, wire::Hello& hello);
  void end_rogue_neighbours();
  void assemble();
  [[nodiscard]] bool nothing_under_way();
  void count_wakeups();
  void handle(const liveness::LifelineEvent& event);
  // BlobRoutes::Line
  void say(Rank to, const wire::Message& message) override;
  void flush(Rank to) override;
  /// Sends the next pieces of broadcasts, if the wire is not busy enough. True if there were any.
  bool send_blobs();
  void lose(Peer& peer, const RankEnd& end);
  void send(Peer& peer, detail::Bytes message);
  void send(Peer& peer, const wire::Message& message);
  /// Somebody still waits for what it says at the start.
  [[nodiscard]] static bool is_awaited(const Peer& peer) {
    // Without its lifeline a rank could be neither woken nor missed.
    return peer.standing == Standing::invited || (peer.standing == Standing::greeted && !peer.on_the_line);
  }

  transport::Transport& transport_;
  RankListener& listener_;
  LocalPort* const local_;
  const base::Settings settings_;
  const LocalRankInfo own_;
  BlobRoutes blobs_;
  liveness::LifelineServer lifelines_;
  liveness::WakeChannels wakeups_;
  std::map<Rank, Peer> peers_;  ///< entries stay where they are
  std::vector<Peer*> by_rank_;  ///< the same; null for the root
  std::vector<Peer*> owed_;     ///< and some that no longer are
  bool busy_ = false;           ///< the engine is
  std::vector<transport::Incoming> arrived_;
  std::vector<WorkerId> senders_;  ///< of output that is among these
  std::vector<liveness::LifelineEvent> events_;
  std::chrono::steady_clock::time_point give_up_waiting_;
  std::chrono::steady_clock::time_point next_look_{};
  bool quiet_ = false;  ///< as was seen just now, without a look at them
  bool assembled_ = false;
  int neighbours_ = 0;
  bool all_by_wakeup_ = false;  ///< every rank tells by its wakeup when it has sent something
  bool lent_ = false;
  std::vector<std::pair<Peer*, detail::Bytes>> kept_;  ///< to be sent when it is taken back
};

}  // namespace rankpool::engine
