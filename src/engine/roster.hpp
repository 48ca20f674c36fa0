#pragma once

#include "base/oversubscription.hpp"
#include "engine/rank_port.hpp"

#include <rankpool/run.hpp>

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rankpool::engine {

/// The ranks of the job as the user may ask for them. Thread-safe.
class Roster {
 public:
  void joined(const RankFacts& facts) {
    const std::lock_guard lock(mutex_);
    const auto index = static_cast<std::size_t>(raw(facts.rank));
    // Ranks that were refused are never told of: they have a number, and do not live.
    while (ranks_.size() <= index) ranks_.push_back({static_cast<int>(ranks_.size()), "", 0, 0, 0, false});
    Node& node = nodes_[facts.host];
    if (++node.ranks == 1) cores_ += node.cores = facts.cores_of_node;
    node.memory = facts.memory_of_node;
    node.workers += facts.workers;
    ranks_[index] = {raw(facts.rank), facts.host, facts.pid, facts.keeper_pid, facts.workers, true};
  }
  void lost(Rank rank) {
    const std::lock_guard lock(mutex_);
    const auto index = static_cast<std::size_t>(raw(rank));
    if (index >= ranks_.size() || !std::exchange(ranks_[index].alive, false)) return;
    Node& node = nodes_[ranks_[index].host];
    node.workers -= ranks_[index].workers;
    if (--node.ranks == 0) cores_ -= node.cores;
  }
  [[nodiscard]] std::vector<RankInfo> ranks() const {
    const std::lock_guard lock(mutex_);
    return ranks_;
  }
  /// Workers that all living ranks together can hold.
  [[nodiscard]] int capacity() const {
    const std::lock_guard lock(mutex_);
    int workers = 0;
    for (const auto& rank : ranks_) workers += rank.alive ? rank.workers : 0;
    return workers;
  }
  /// Cores for workers on all nodes with a living rank.
  [[nodiscard]] int cores() const {
    const std::lock_guard lock(mutex_);
    return cores_;
  }
  /// Bytes of each node that can hold workers; 0 for one whose memory is not known.
  [[nodiscard]] std::vector<std::uint64_t> memory_of_nodes() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> memory;
    for (const auto& [host, node] : nodes_) {
      if (node.workers > 0) memory.push_back(node.memory);
    }
    return memory;
  }
  /// What each node has to run in a pool of so many workers.
  [[nodiscard]] std::vector<base::NodeLoad> loads(int workers) const;

 private:
  struct Node {
    int ranks = 0;  ///< that live
    int cores = 0;
    int workers = 0;  ///< that they can hold
    std::uint64_t memory = 0;
  };
  mutable std::mutex mutex_;
  std::vector<RankInfo> ranks_;
  std::unordered_map<std::string, Node> nodes_;
  int cores_ = 0;
};

}  // namespace rankpool::engine
