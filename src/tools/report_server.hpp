#pragma once

#include "liveness/lifeline.hpp"

#include <memory>
#include <optional>
#include <string>

namespace rankpool::tools {

/// What is known of rank 0.
struct RankZeroNews {
  bool began = false;              ///< its keeper has called
  std::optional<int> wait_status;  ///< it has ended: as waitpid gives it
  std::string lost;                ///< its keeper is gone without a word: how that was noticed
};

/// Listens for what rank 0's keeper says (launch/report.hpp). Whoever does not bring the token is cut off. One thread,
/// and nothing blocks.
class ReportServer {
 public:
  /// @param interface  as RANKPOOL_INTERFACE; empty, or none of this node: all (rank 0 says so of its own)
  /// @throws std::system_error
  explicit ReportServer(const std::string& interface);
  ~ReportServer();
  [[nodiscard]] const liveness::Invitation& invitation() const;
  /// To wait on: readable when `poll` has something to do.
  [[nodiscard]] int fd() const;
  const RankZeroNews& poll();
  /// Has rank 0's keeper send it a signal. False if there is no connection to it.
  bool send_signal(int signal);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::tools
