#pragma once

#include "schedule/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace rankpool::schedule {

/// Who shares in the work of a pool.
struct Crew {
  std::size_t workers = 1;
  std::size_t cores = 1;  ///< so many of them can compute at once
  [[nodiscard]] bool oversubscribed() const noexcept { return workers > cores; }
};

/// How many items of one piece of work the next chunk takes, where the caller left that to the library.
///
///     share    what guided self-scheduling would take: remaining / (4 · workers · 2), two chunks being under way,
///     where not
///              more than the cores count as workers
///     longest  what keeps a worker busy for 50 round trips; more gains nothing and balances worse
///     shortest what keeps a worker busy for 20 round trips, so that hand-overs cost a few per cent at most, but no
///              more than twice the share: the items to come may be unlike those that were measured. But four
///              round trips at least: to share out less is slower than to leave it to one
///     chunk  = share, between shortest and longest; 1 until a chunk of this work has been measured, and at most
///              eight times all that were measured, since the first items may not be like the rest
///
/// So items longer than some 100 µs go out one by one and never clump, and a no-op map reaches chunks of tens of
/// thousands after five hand-overs.
class ChunkPolicy {
 public:
  /// At least 1 and at most `remaining` (which is at least 1) and `max_chunk`.
  [[nodiscard]] std::uint32_t next(std::uint64_t remaining, Crew crew, std::uint32_t max_chunk) const;
  /// A chunk of so many items has taken so long.
  void measured(std::uint32_t items, Nanoseconds busy);
  [[nodiscard]] bool known() const noexcept { return largest_ != 0; }
  /// So long a worker would need for so many more items. To be asked once it is known.
  [[nodiscard]] Nanoseconds expected(std::uint64_t items) const noexcept {
    return Nanoseconds{static_cast<std::int64_t>(std::min(static_cast<double>(items) * item_ns_, 1e18))};
  }
  /// Chunks are shorter than they should be, since few items were measured.
  [[nodiscard]] bool growing(std::uint64_t remaining, Crew crew) const;

 private:
  [[nodiscard]] double wanted(std::uint64_t remaining, Crew crew) const;

  double item_ns_ = 0;         ///< moving mean; quick to rise and slow to fall
  std::uint32_t largest_ = 0;  ///< measured chunk; 0: none yet
  double seen_ = 0;            ///< items that were measured
};

}  // namespace rankpool::schedule
