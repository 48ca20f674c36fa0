#pragma once

#include "tools/info_sight.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rankpool::tools {

/// The ranks of one node together.
struct Node {
  std::string host;
  std::vector<const RankSight*> ranks;
  const NodeFacts* facts = nullptr;  ///< of its first rank that answered
  std::set<std::uint32_t> cores;     ///< that its ranks may use
  int workers = 0;

  /// Those of them that may be kept busy.
  [[nodiscard]] int usable() const;
};

/// The nodes, in the order of their first ranks. They point into `sight`.
std::vector<Node> nodes_of(const Sight& sight);

/// "1 rank", "2 ranks"
std::string plural(std::size_t count, const std::string& noun);
/// "512 MiB", "1.5 GiB"; "?" for none
std::string bytes_text(std::optional<std::uint64_t> bytes);

}  // namespace rankpool::tools
