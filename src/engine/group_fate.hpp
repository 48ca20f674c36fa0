#pragma once

#include "schedule/scheduler.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace rankpool::engine {

/// What the processes of a group have done so far, and what that makes of their task. Knows no clock and does nothing.
///
/// The first death, or the first exception, ends the group; but who is to blame shows a moment later. A rank that is
/// told of another's death by its network may abort before the news of that death is here; who calls MPI_Abort exits as
/// well; and when all ranks throw, the lowest is to be named, whoever was quickest.
class GroupFate {
 public:
  using Time = schedule::Time;
  GroupFate(std::size_t ranks, std::size_t nodes) : done_(ranks, Done::nothing), several_nodes_(nodes > 1) {}

  /// How a process ended that nobody had told to. The first of these that there is gets the blame; a rank that has
  /// aborted has not `exited`.
  enum class Death : std::uint8_t { by_signal, rank_lost, exited, aborted, server };
  enum class Verdict : std::uint8_t { undecided, well, threw, lost };

  void returned(std::size_t rank);
  void threw(std::size_t rank, Time now);
  /// Without a `rank`: a server of ranks, or all.
  void died(Death how, schedule::LossId loss, Time now, std::optional<std::size_t> rank = {});

  /// Stays as it is once it is decided.
  Verdict verdict(Time now);
  /// When to ask again though nothing has happened.
  [[nodiscard]] std::optional<Time> next_deadline() const;
  /// Whose exception it is.
  [[nodiscard]] std::size_t thrower() const noexcept { return thrower_; }
  /// What it died of, as far as is known: what comes later may put the blame elsewhere.
  [[nodiscard]] schedule::LossId culprit() const noexcept;
  [[nodiscard]] bool has_outcome(std::size_t rank) const noexcept { return done_[rank] != Done::nothing; }

 private:
  enum class Done : std::uint8_t { nothing, returned, threw };
  struct Dead {
    Death how{};
    schedule::LossId loss{};
    std::optional<std::size_t> rank;
  };
  [[nodiscard]] Verdict judge(Time now);

  std::vector<Done> done_;
  const bool several_nodes_;
  std::size_t returned_ = 0;
  std::optional<Time> first_throw_;
  std::optional<Time> first_death_;
  std::vector<Dead> dead_;
  Verdict verdict_ = Verdict::undecided;
  std::size_t thrower_ = 0;
};

}  // namespace rankpool::engine
