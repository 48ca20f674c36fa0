#pragma once

#include "base/ids.hpp"
#include "channel/blob.hpp"
#include "host/worker_host.hpp"
#include "transport/transport.hpp"
#include "wire/messages.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rankpool::agent {

/// The broadcasts of one rank: gets them from rank 0 or from other agents, as rank 0 says, gives them to its workers,
/// and passes them on to agents that ask for them, as they come in.
///
///     rank 0: FetchBlob to the receiver, ExpectAsk to the source
///     receiver ── AskForBlob ──► source ── BlobPart, BlobPart ... ──► receiver ── BlobHere ──► rank 0
///
/// No agent can wake another: rank 0 wakes the source, and while something is under way (`active`) the agent looks by
/// itself. A receiver whose source is lost is told so by rank 0 and gets another; if nothing comes from a source that
/// lives, or it makes no sense, the receiver asks for another. Nothing here blocks.
class BlobRelay {
 public:
  using Clock = std::chrono::steady_clock;

  using Say = std::function<void(const wire::Message& message)>;

  /// `to_root` sends a message to rank 0, with others.
  BlobRelay(transport::Transport& transport, host::WorkerHost& host, Say to_root)
      : transport_(transport), host_(host), to_root_(std::move(to_root)) {}

  // What rank 0 says. Throw wire::ProtocolError for what makes no sense.
  void handle(const wire::FetchBlob& fetch);
  void handle(const wire::BlobPart& part);
  void handle(const wire::BlobReady& ready);
  void handle(const wire::ForgetBlob& forget);
  void handle(const wire::ExpectAsk& expect);
  void handle(const wire::RankLost& lost);
  void handle(const wire::MapBlob& map);
  /// The job ends: parts with those agents. Nothing is passed on any more.
  void part_with(const std::vector<std::int32_t>& partners);
  /// Nothing is under way between this agent and others any more.
  [[nodiscard]] bool parted() const;

  /// What another agent says.
  void take(Rank from, std::span<const std::byte> envelope);
  /// MPI reports an error with that agent.
  void broken(Rank with, const std::string& how);

  /// Passes the next pieces on, one to each receiver, and looks whether what is awaited comes. True if there was
  /// anything to pass on.
  bool advance(Clock::time_point now);
  /// Other agents may send something, or wait for something.
  [[nodiscard]] bool active() const noexcept {
    return !fetching_.empty() || !asks_.empty() || !expected_.empty() || !partings_.empty();
  }
  /// It is, but nothing has moved for a while.
  [[nodiscard]] bool stuck(Clock::time_point now) const;

 private:
  struct Entry {
    Entry(std::uint64_t id, std::uint64_t size) : blob(id, size) {}
    channel::Blob blob;
    std::optional<Rank> source;  ///< none: rank 0 will say
    std::chrono::milliseconds patience{};
    Clock::time_point last_piece{};
    std::vector<std::pair<WorkerId, std::uint64_t>> waiting;  ///< requests to be answered when it is full
  };
  /// What an agent has asked for.
  struct Ask {
    std::uint64_t size = 0;
    std::size_t sent = 0;
  };
  struct Asks {
    std::map<std::uint64_t, Ask> by_id;
    std::uint64_t last = 0;  ///< the one that had the last turn
  };

  [[nodiscard]] Rank checked(std::int32_t rank) const;
  void fetch_from(Rank source, std::uint64_t id, Entry& entry);
  /// `id` has got more bytes.
  void append(std::uint64_t id, Entry& entry, std::span<const std::byte> bytes);
  void tell_if_full(std::uint64_t id, Entry& entry);
  /// The receiver's side is through with that source: rank 0 is to name another.
  void give_up_source(std::uint64_t id, Entry& entry);
  void send(Rank to, const wire::Message& message);
  bool give_next_to(Rank rank, Asks& asks);
  /// What they have asked for that is not given yet.
  void drop_ask(Rank rank, std::uint64_t id);
  void take_part(Rank from, const wire::BlobPart& part);
  void take_ask(Rank from, const wire::AskForBlob& ask);
  /// Nothing more is asked from that agent, or given to it.
  void drop(Rank with);
  /// Nothing more comes from there.
  void give_up_all_from(Rank source);

  transport::Transport& transport_;
  host::WorkerHost& host_;
  const Say to_root_;
  std::map<std::uint64_t, Entry> entries_;
  std::set<std::uint64_t> fetching_;                                      ///< those that are to come from other agents
  std::map<Rank, Asks> asks_;                                             ///< by who asks; none of them is empty
  std::map<std::pair<Rank, std::uint64_t>, Clock::time_point> expected_;  ///< asks that rank 0 has announced
  std::set<Rank> refused_;   ///< that have made no sense: of them only the last message counts
  std::set<Rank> cut_;       ///< lost, or MPI cannot reach them
  std::set<Rank> partings_;  ///< from which the last message is awaited
  std::set<Rank> parted_;    ///< from which it has come
  bool ending_ = false;
  Clock::time_point last_move_{};
};

}  // namespace rankpool::agent
