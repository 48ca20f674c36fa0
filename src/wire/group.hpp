#pragma once

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Tasks of several ranks: what the engine says to the processes of such a group. On each node one of them is the
/// nursery, the PMIx server of those that run the task there; what nurseries have to say to each other goes through the
/// engine.
namespace rankpool::wire {

/// What a nursery has to know of its group.
struct GroupPlan {
  struct Node {
    std::string host;
    std::uint32_t ranks = 0;  ///< they are numbered node by node
    bool operator==(const Node&) const = default;
  };
  std::string name;             ///< unlike any other of this user's on these nodes
  std::uint32_t node = 0;       ///< where the nursery is
  bool oversubscribed = false;  ///< there are more processes than cores on some node
  std::vector<Node> nodes;

  /// The first rank on a node; of the number of nodes: how many ranks there are.
  [[nodiscard]] std::uint32_t first_on(std::size_t node) const;
  /// The node of a rank.
  [[nodiscard]] std::uint32_t node_of(std::uint32_t rank) const;
  bool operator==(const GroupPlan&) const = default;
};
detail::Bytes encode(const GroupPlan& plan);
/// Throws ProtocolError.
GroupPlan decode_plan(std::span<const std::byte> bytes);

/// What the variables of one process are set to: "NAME=value".
using Variables = std::vector<std::string>;
detail::Bytes encode(const std::vector<Variables>& environments);
/// Throws ProtocolError.
std::vector<Variables> decode_environments(std::span<const std::byte> bytes);

/// What a nursery frame is about, and which numbers of NurseryHeader it has.
enum class NurseryWord : std::uint32_t {
  // nursery to engine
  environments = 1,  ///< payload: those of the node's ranks, in order
  failed,            ///< payload: why, as text
  fence,             ///< number; payload: this node's part
  data_wanted,       ///< number: what `rank`, which is on another node, has put there for others
  data,              ///< number and `node` of the question; payload: the answer, empty if there is none
  aborted,           ///< `rank` has called MPI_Abort with `status`
  // engine to nursery
  fence_done,  ///< number; payload: the parts of all nodes
  asked,       ///< number and `node` of the question, about `rank`
  answer,      ///< number of the question; payload: the answer
};

}  // namespace rankpool::wire
