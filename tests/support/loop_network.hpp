#pragma once

#include "transport/transport.hpp"

#include <memory>
#include <string>

namespace rankpool::test {

/// Ranks that live in one process: for tests of what stands on the seam. Thread-safe, so that each rank may have a
/// thread of its own; it may go before its transports.
class LoopNetwork {
 public:
  explicit LoopNetwork(int ranks, Rank root = Rank{0});
  ~LoopNetwork();
  [[nodiscard]] std::unique_ptr<transport::Transport> transport(Rank rank);
  /// The rank dies as processes do: what it had sent still arrives, what is sent to it vanishes, and nobody is told.
  void kill(Rank rank);
  /// What is sent from one to the other is kept back until `release`, and counts as unsent.
  void hold(Rank from, Rank to);
  void release(Rank from, Rank to);
  /// MPI would report an error with this peer.
  void break_between(Rank one, Rank other, const std::string& how);

 private:
  class Impl;
  class Member;
  std::shared_ptr<Impl> impl_;
};

}  // namespace rankpool::test
