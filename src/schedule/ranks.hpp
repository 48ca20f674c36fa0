#pragma once

#include "base/ids.hpp"

#include <optional>
#include <vector>

namespace rankpool::schedule {

/// The ranks of the job, and where a pool's workers are to be started.
class Ranks {
 public:
  void join(Rank rank, int capacity);
  void lose(Rank rank);
  [[nodiscard]] bool alive(Rank rank) const;
  /// Of all ranks that live.
  [[nodiscard]] int capacity() const;

  /// Ranks for so many workers: in turn beginning with the lowest, each up to its capacity, and then in turn again.
  /// Empty if no rank lives.
  [[nodiscard]] std::vector<Rank> spread(int workers) const;
  /// The rank with the fewest workers for its capacity; `workers` counts those of the pool by rank.
  [[nodiscard]] std::optional<Rank> emptiest(const std::vector<int>& workers) const;

 private:
  struct Entry {
    int capacity = 0;
    bool alive = false;
  };
  std::vector<Entry> ranks_;  ///< by number
};

}  // namespace rankpool::schedule
