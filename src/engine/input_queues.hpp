#pragma once

#include "base/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <utility>

namespace rankpool::engine {

/// Large input of the workers of another rank, which follows as they take it: no more than a window of it is on its way
/// to each. So neither rank's memory holds what a worker has no time for, and the memory that pieces pass through stays
/// warm. Engine thread.
class InputQueues {
 public:
  /// Pieces are sent on their own: the first are under way while the next are copied.
  static constexpr std::size_t kPiece = std::size_t{256} << 10U;
  /// Enough for the wire to be busy until an agent has answered, few enough for the caches.
  static constexpr std::size_t kWindow = 4 * kPiece;

  /// True if what is written to the worker has to stand behind what waits.
  [[nodiscard]] bool waits(WorkerId worker) const {
    const auto found = queues_.find(worker);
    return found != queues_.end() && !found->second.waiting.empty();
  }
  void push(WorkerId worker, std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
    if (!bytes.empty()) queues_[worker].waiting.push_back({bytes, std::move(owner)});
  }
  /// Calls `send(piece)` for what the worker may be sent now.
  template <class Send>
  void pump(WorkerId worker, Send&& send) {
    const auto found = queues_.find(worker);
    if (found == queues_.end()) return;
    Queue& queue = found->second;
    while (!queue.waiting.empty() && queue.on_the_way < kWindow) {
      Waiting& first = queue.waiting.front();
      const auto piece = first.bytes.first(std::min(first.bytes.size(), kPiece));
      send(piece);
      queue.on_the_way += piece.size();
      first.bytes = first.bytes.subspan(piece.size());
      if (first.bytes.empty()) queue.waiting.pop_front();
    }
  }
  /// The worker has taken so much. False if it was not sent that much.
  [[nodiscard]] bool taken(WorkerId worker, std::uint64_t size) {
    const auto found = queues_.find(worker);
    if (found == queues_.end()) return dropped_;
    if (size > found->second.on_the_way) return false;
    found->second.on_the_way -= static_cast<std::size_t>(size);
    if (found->second.on_the_way == 0 && found->second.waiting.empty()) queues_.erase(found);
    return true;
  }
  /// The worker is given up: what waits for it may be freed.
  void drop(WorkerId worker) {
    const auto found = queues_.find(worker);
    if (found == queues_.end()) return;
    queues_.erase(found);
    dropped_ = true;
  }
  void clear() { queues_.clear(); }

 private:
  struct Waiting {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  struct Queue {
    std::deque<Waiting> waiting;
    std::size_t on_the_way = 0;
  };
  std::map<WorkerId, Queue> queues_;
  bool dropped_ = false;  ///< an agent may answer for a worker that was given up
};

}  // namespace rankpool::engine
