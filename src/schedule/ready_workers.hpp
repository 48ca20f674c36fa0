#pragma once

#include "base/ids.hpp"
#include "schedule/linked_list.hpp"
#include "schedule/worker.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace rankpool::schedule {

/// The workers of a pool that can be given a chunk, found by how many they hold, in constant time.
///
/// Of the idle ones the next is taken from the rank with the fewest busy workers, so that a few tasks spread over the
/// nodes; among equals it is one of rank 0, which is soonest reached, or else the one that fell idle last, which is
/// still awake and warm. Of the busy ones with equally many chunks it is the one that has had so many for longest.
class ReadyWorkers {
 public:
  /// Puts a worker in the place that its number of chunks gives it, wherever it was.
  void place(Worker& worker);
  /// It is not to be given more for now. It still counts as busy on its rank while it holds chunks.
  void withhold(Worker& worker);
  /// It is given nothing any more, and what it held does not count.
  void remove(Worker& worker);

  [[nodiscard]] Worker* idle() const;
  /// The same among the ranks that fit. Looks at each rank.
  template <class Fits>
  [[nodiscard]] Worker* idle_where(const Fits& fits) const {
    const RankShare* best = nullptr;
    for (const auto& share : ranks_) {
      if (share->idle.empty() || (best != nullptr && best->busy <= share->busy)) continue;
      if (fits(share->idle.front()->rank)) best = share.get();
    }
    return best == nullptr ? nullptr : best->idle.front();
  }
  /// Workers that hold chunks.
  [[nodiscard]] std::size_t busy() const noexcept { return busy_; }
  /// One with the fewest chunks of those that hold at least one.
  [[nodiscard]] Worker* least_busy() const;

 private:
  using Equals = LinkedList<Worker, &Worker::among_equals>;
  struct RankShare {
    Equals idle;
    std::uint32_t busy = 0;
    ListHook<RankShare> equally_busy;  ///< linked while `idle` is not empty
  };
  using RankShares = LinkedList<RankShare, &RankShare::equally_busy>;

  [[nodiscard]] RankShare& share_of(const Worker& worker);
  void list(RankShare& share);
  void unlist(RankShare& share);
  void count_busy(Worker& worker, bool busy);

  std::vector<std::unique_ptr<RankShare>> ranks_;       ///< by rank
  std::vector<RankShares> by_busy_;                     ///< ranks with idle workers, by the number of busy ones
  std::vector<std::uint64_t> any_rank_;                 ///< which of `by_busy_` are not empty, a bit each
  std::array<Equals, LookAhead::kMostHeld> by_chunks_;  ///< [n - 1]: workers that hold n chunks
  std::size_t busy_ = 0;
  std::uint64_t any_worker_ = 0;  ///< which of `by_chunks_` are not empty
};

}  // namespace rankpool::schedule
