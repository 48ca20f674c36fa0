#pragma once

#include "base/ids.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace rankpool::transport {

/// A message as it arrived, whole.
struct Incoming {
  Rank from{};
  detail::Bytes bytes;
};

/// A peer with which nothing can be exchanged any more, though nobody has said that it is dead.
struct BrokenPeer {
  Rank peer{};
  std::string how;
};

/// The seam between the ranks that work together, which may be some of the program's and are numbered among
/// themselves: reliable messages, in order between any two ranks, of any size.
///
/// Nothing here blocks and nothing waits for a peer. One thread uses it.
class Transport {
 public:
  virtual ~Transport() = default;

  [[nodiscard]] virtual Rank rank() const = 0;
  /// The rank that the others serve: the executor's.
  [[nodiscard]] virtual Rank root() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  /// Sends a message; messages above 2 GiB too. Dropped without a word if the peer was forgotten.
  virtual void send(Rank to, detail::Bytes message) = 0;
  /// Lets pending transfers go on and appends what has arrived. True if anything moved.
  virtual bool poll(std::vector<Incoming>& arrived) = 0;
  /// Peers that broke since the last call; each is told once. After a `poll` that returned true there may be some.
  virtual std::vector<BrokenPeer> take_broken() = 0;
  /// The peer is dead: nothing is sent to it or received from it any more, what is under way is abandoned.
  virtual void forget(Rank peer) = 0;

  /// Bytes handed to `send` that have not left yet.
  [[nodiscard]] virtual std::size_t unsent() const = 0;
  /// Those of them for that peer.
  [[nodiscard]] virtual std::size_t unsent_to(Rank peer) const = 0;
  /// True if a transfer is under way that needs `poll` to get on.
  [[nodiscard]] virtual bool busy() const = 0;
  /// Messages (wire pieces) posted to, and received from a peer since the start: what sleepers compare
  /// (liveness/lifeline.hpp).
  [[nodiscard]] virtual std::uint64_t sent_to(Rank peer) const = 0;
  [[nodiscard]] virtual std::uint64_t received_from(Rank peer) const = 0;
};

}  // namespace rankpool::transport
