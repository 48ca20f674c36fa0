#pragma once

#include "transport/transport.hpp"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <memory>

namespace rankpool::transport {

/// The transport over MPI, between all ranks of a communicator. One thread: the one that makes it.
class MpiTransport final : public Transport {
 public:
  /// Collective over `over`, which it duplicates: other messages there are not its own. Ranks are those of `over`, and
  /// `root` is the one that the others serve. MPI must be initialised. Throws std::runtime_error if MPI fails.
  explicit MpiTransport(MPI_Comm over, Rank root = Rank{0});
  ~MpiTransport() override;

  [[nodiscard]] Rank rank() const override;
  [[nodiscard]] Rank root() const override;
  [[nodiscard]] int size() const override;
  void send(Rank to, detail::Bytes message) override;
  bool poll(std::vector<Incoming>& arrived) override;
  std::vector<BrokenPeer> take_broken() override;
  void forget(Rank peer) override;
  [[nodiscard]] std::size_t unsent() const override;
  [[nodiscard]] std::size_t unsent_to(Rank peer) const override;
  [[nodiscard]] bool busy() const override;
  [[nodiscard]] std::uint64_t sent_to(Rank peer) const override;
  [[nodiscard]] std::uint64_t received_from(Rank peer) const override;

  /// Gives the communicator back; nothing is sent or received any more. All ranks must be alive and do the same. After
  /// a loss it is left as it is.
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::transport
