#pragma once

#include "base/ids.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace rankpool::schedule {

/// How much memory the job has on each node, and how much of it is promised to tasks that have said what they need.
class NodeMemory {
 public:
  /// Of several words about a node the smallest counts. 0: not known, any task fits.
  void set(NodeId node, std::uint64_t bytes) {
    Entry& entry = at(node);
    if (bytes != 0) entry.all = std::min(entry.all, bytes);
  }
  void take(NodeId node, std::uint64_t bytes) { at(node).taken += bytes; }
  void give_back(NodeId node, std::uint64_t bytes) { at(node).taken -= bytes; }
  [[nodiscard]] std::uint64_t all(NodeId node) const {
    return raw(node) < nodes_.size() ? nodes_[raw(node)].all : kUnknown;
  }
  [[nodiscard]] std::uint64_t left(NodeId node) const {
    if (raw(node) >= nodes_.size()) return kUnknown;
    const Entry& entry = nodes_[raw(node)];
    return entry.all - std::min(entry.taken, entry.all);
  }

 private:
  static constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();
  struct Entry {
    std::uint64_t all = kUnknown;
    std::uint64_t taken = 0;
  };
  Entry& at(NodeId node) {
    if (raw(node) >= nodes_.size()) nodes_.resize(raw(node) + std::size_t{1});
    return nodes_[raw(node)];
  }
  std::vector<Entry> nodes_;
};

}  // namespace rankpool::schedule
