#pragma once

#include <chrono>
#include <set>
#include <string>

namespace rankpool::parallel {

/// `--give-back-idle-nodes`: lets the Slurm job shrink to the nodes that still have something to do. Slurm ends what
/// runs on the others, their ranks among it, and goes on with the step where the job was submitted with `--no-kill`.
class IdleNodes {
 public:
  using Clock = std::chrono::steady_clock;
  /// @throws std::runtime_error outside of a Slurm job
  explicit IdleNodes(std::string tmpdir);

  /// `all`: nodes of the job that are there; `needed`: those of them that are to stay. Returns what the user is to be
  /// told, or nothing if it is not yet time or nothing is to be done.
  std::string give_back(const std::set<std::string>& all, const std::set<std::string>& needed, Clock::time_point now);
  /// Nodes could be given back then, if there are any.
  [[nodiscard]] Clock::time_point next() const noexcept { return next_; }

 private:
  std::string tmpdir_;
  std::string job_;
  std::set<std::string> kept_;  ///< what the job was told to keep; empty at first
  bool failed_ = false;
  Clock::time_point next_{};
};

}  // namespace rankpool::parallel
