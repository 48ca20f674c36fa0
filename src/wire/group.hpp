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

/// The `count` of a nursery frame, and what its other fields are then.
enum class NurseryWord : std::uint32_t {
  // nursery to engine
  environments = 1,  ///< payload: those of the node's ranks, in order
  failed,            ///< payload: why, as text
  fence,             ///< fence `chunk`: payload is this node's part
  data_wanted,       ///< question `chunk`: what rank `first`, which is on another node, has put there for others
  data,              ///< answer to question `chunk` of node `first`; an empty payload: there is none
  aborted,           ///< rank `first` has called MPI_Abort with `extra`
  // engine to nursery
  fence_done,  ///< fence `chunk`: payload is the parts of all nodes
  asked,       ///< question `chunk` of node `extra`, about rank `first`
  answer,      ///< to question `chunk`
};

}  // namespace rankpool::wire
