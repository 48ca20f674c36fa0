#pragma once

#include "base/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace rankpool::schedule {

/// The ranks of the job, and where a pool's workers are to be started.
class Ranks {
 public:
  void join(Rank rank, int capacity, NodeId node = {});
  void lose(Rank rank);
  [[nodiscard]] bool alive(Rank rank) const;
  /// Of a rank that has joined.
  [[nodiscard]] NodeId node(Rank rank) const { return ranks_[static_cast<std::size_t>(raw(rank))].node; }
  /// Of all ranks that live.
  [[nodiscard]] int capacity() const;
  /// Of all nodes; not known until said.
  void set_cores(int cores) noexcept { cores_ = static_cast<std::size_t>(std::max(cores, 1)); }
  [[nodiscard]] std::size_t cores() const noexcept { return cores_; }

  /// Ranks for so many workers: in turn beginning with the lowest, each up to its capacity, and then in turn again.
  /// Empty if no rank lives.
  [[nodiscard]] std::vector<Rank> spread(int workers) const;
  /// The rank with the fewest workers for its capacity; `workers` counts those of the pool by rank.
  [[nodiscard]] std::optional<Rank> emptiest(const std::vector<int>& workers) const;

 private:
  struct Entry {
    int capacity = 0;
    bool alive = false;
    NodeId node{};
  };
  std::vector<Entry> ranks_;  ///< by number
  std::size_t cores_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace rankpool::schedule
