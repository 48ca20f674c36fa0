#pragma once

#include "tools/trace/trace_data.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace rankpool::tools {

/// The most that each worker had, in the order of `trace.workers`; 0 where it is not known.
[[nodiscard]] std::vector<std::uint64_t> largest_memory(const TraceData& trace);

/// How much the workers of a node had, by time: `kChartBins` numbers, the largest of each bin.
struct NodeMemory {
  std::string host;
  std::vector<double> bytes;
  double largest = 0;
};
/// The largest first. What a worker told at the end of a task it may have had from the task's begin on.
[[nodiscard]] std::vector<NodeMemory> memory_of_nodes(const TraceData& trace);

/// The worker that had the most, as a line of the insights; empty if it is not known.
[[nodiscard]] std::string memory_line(const TraceData& trace);
/// The page's part about it; empty if it is not known.
[[nodiscard]] std::string memory_charts(const TraceData& trace);

}  // namespace rankpool::tools
