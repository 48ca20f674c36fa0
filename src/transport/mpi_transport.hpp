#pragma once

#include "transport/transport.hpp"

#include <memory>
#include <string>

namespace rankpool::transport {

/// The transport over MPI, between all ranks of the job, on a communicator of its own. One thread: the one that makes
/// it.
class MpiTransport final : public Transport {
 public:
  /// Initialises MPI in this thread. Throws std::runtime_error if MPI will not do what is needed.
  MpiTransport();
  ~MpiTransport() override;

  [[nodiscard]] Rank rank() const override;
  [[nodiscard]] int size() const override;
  void send(Rank to, detail::Bytes message) override;
  bool poll(std::vector<Incoming>& arrived) override;
  std::vector<BrokenPeer> take_broken() override;
  void forget(Rank peer) override;
  [[nodiscard]] std::size_t unsent() const override;
  [[nodiscard]] bool busy() const override;
  [[nodiscard]] std::uint64_t sent_to(Rank peer) const override;
  [[nodiscard]] std::uint64_t received_from(Rank peer) const override;

  /// MPI_Finalize: all ranks must be alive and do the same.
  void finalize();
  /// Open MPI's version, "4.1.4", for those who ask.
  static std::string version();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::transport
