#include "tools/trace/trace_memory.hpp"

#include "tools/trace/trace_chart.hpp"
#include "watch/size_text.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

namespace rankpool::tools {
namespace {

/// Nodes with a colour of their own; the rest have the last one together.
constexpr std::size_t kMostNodes = 7;

std::string host_of(const TraceData& trace, const TraceData::Worker& worker) {
  const auto rank = trace.ranks.find(worker.rank);
  return rank == trace.ranks.end() || rank->second.host.empty() ? "rank " + std::to_string(worker.rank)
                                                                : rank->second.host;
}

/// When the last of the worker's runs before `when` began.
std::optional<Time> begin_of_last(const std::vector<TraceData::Task>& runs, std::uint32_t worker, Time when) {
  const auto after = std::partition_point(runs.begin(), runs.end(), [&](const TraceData::Task& run) {
    return run.worker < worker || (run.worker == worker && run.begin < when);
  });
  if (after == runs.begin() || std::prev(after)->worker != worker) return std::nullopt;
  return std::prev(after)->begin;
}

/// What one worker had, by time.
class WorkerMemory {
 public:
  WorkerMemory(const TraceData& trace, std::uint32_t worker)
      : trace_(trace), worker_(worker), bin_(std::max<Time>((trace.end + kBins - 1) / kBins, 1)), told_(kChartBins) {}

  void take(const TraceData::Memory& told) {
    const auto run = std::max(begin_of_last(trace_.tasks, worker_, told.when).value_or(0),
                              begin_of_last(trace_.parts, worker_, told.when).value_or(0));
    raise(std::clamp(run, since_, told.when), told.when, told.bytes);
    if (told.is_peak) return;
    raise(since_, told.when, resident_);
    resident_ = told.bytes;
    since_ = told.when;
  }
  const std::vector<double>& end() {
    const Time ended = trace_.workers[worker_].ended;
    raise(since_, ended != 0 ? ended : trace_.end, resident_);
    return told_;
  }

 private:
  static constexpr auto kBins = static_cast<Time>(kChartBins);

  void raise(Time from, Time to, std::uint64_t bytes) {
    const Time last = std::min(to / bin_, kBins - 1);
    for (Time at = std::min(from / bin_, kBins - 1); at <= last; ++at) {
      double& one = told_[static_cast<std::size_t>(at)];
      one = std::max(one, static_cast<double>(bytes));
    }
  }

  const TraceData& trace_;
  const std::uint32_t worker_;
  const Time bin_;
  std::vector<double> told_;
  std::uint64_t resident_ = 0;
  Time since_ = 0;  ///< when that was told
};

}  // namespace

std::vector<std::uint64_t> largest_memory(const TraceData& trace) {
  std::vector<std::uint64_t> largest(trace.workers.size());
  for (const auto& told : trace.memory) largest[told.worker] = std::max(largest[told.worker], told.bytes);
  return largest;
}

std::vector<NodeMemory> memory_of_nodes(const TraceData& trace) {
  std::map<std::string, NodeMemory> by_host;
  for (auto told = trace.memory.begin(); told != trace.memory.end();) {
    const std::uint32_t worker = told->worker;
    WorkerMemory memory(trace, worker);
    for (; told != trace.memory.end() && told->worker == worker; ++told) memory.take(*told);
    const std::string host = host_of(trace, trace.workers[worker]);
    NodeMemory& node = by_host[host];
    node.host = host;
    node.bytes.resize(kChartBins);
    const auto& bytes = memory.end();
    std::transform(bytes.begin(), bytes.end(), node.bytes.begin(), node.bytes.begin(), std::plus<>());
  }
  std::vector<NodeMemory> nodes;
  for (auto& [host, node] : by_host) {
    node.largest = *std::max_element(node.bytes.begin(), node.bytes.end());
    nodes.push_back(std::move(node));
  }
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.largest > b.largest; });
  return nodes;
}

std::string memory_line(const TraceData& trace) {
  if (trace.memory.empty()) return {};
  const auto largest = largest_memory(trace);
  const auto at = static_cast<std::size_t>(std::max_element(largest.begin(), largest.end()) - largest.begin());
  const auto& worker = trace.workers[at];
  return "memory    " + watch::size_text(largest[at]) + " at most, on worker " + std::to_string(worker.id) + " (rank " +
         std::to_string(worker.rank) + " on " + host_of(trace, worker) + ", pid " + std::to_string(worker.pid) + ")\n";
}

std::string memory_charts(const TraceData& trace) {
  if (trace.memory.empty()) return {};
  auto nodes = memory_of_nodes(trace);
  if (nodes.size() > kMostNodes + 1) {
    NodeMemory& rest = nodes[kMostNodes];
    for (std::size_t i = kMostNodes + 1; i < nodes.size(); ++i) {
      for (std::size_t bin = 0; bin < kChartBins; ++bin) rest.bytes[bin] += nodes[i].bytes[bin];
    }
    rest.host = std::to_string(nodes.size() - kMostNodes) + " others";
    rest.largest = *std::max_element(rest.bytes.begin(), rest.bytes.end());
    nodes.resize(kMostNodes + 1);
  }
  std::vector<std::vector<double>> stack;
  std::vector<double> sum(kChartBins);
  std::string legend;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t bin = 0; bin < kChartBins; ++bin) sum[bin] += nodes[i].bytes[bin];
    legend += "<span><i style=\"background:var(--c" + std::to_string(i) + ")\"></i>" + html(nodes[i].host) + ": " +
              watch::size_text(static_cast<std::uint64_t>(nodes[i].largest)) + " at most</span>";
    stack.push_back(std::move(nodes[i].bytes));
  }
  const double most = *std::max_element(sum.begin(), sum.end());

  const auto largest = largest_memory(trace);
  std::vector<std::size_t> order(largest.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return trace.workers[a].id < trace.workers[b].id; });
  std::vector<double> bars;
  for (const std::size_t i : order) bars.push_back(static_cast<double>(largest[i]));
  const auto id = [&](std::size_t i) { return "worker " + std::to_string(trace.workers[i].id); };
  return "<div><h2>Resident memory, by node</h2>" +
         stacked_chart(stack, {"0", length(trace.end), watch::size_text(static_cast<std::uint64_t>(most))}, "memory") +
         "<p class=\"legend\">" + legend + "</p></div>\n<div><h2>Largest memory, by worker</h2>" +
         chart(
             bars,
             {id(order.front()), id(order.back()), watch::size_text(*std::max_element(largest.begin(), largest.end()))},
             "worker-memory") +
         "</div>";
}

}  // namespace rankpool::tools
