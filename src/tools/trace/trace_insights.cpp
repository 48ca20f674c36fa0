#include "tools/trace/trace_data.hpp"

#include "watch/tally.hpp"

#include <algorithm>

namespace rankpool::tools {

Insights insights_of(const TraceData& trace) {
  watch::Tally tally;
  Time opened = trace.end;
  Time ended = 0;
  for (const auto& worker : trace.workers) {
    opened = std::min(opened, worker.started);
    ended = std::max(ended, worker.ended != 0 ? worker.ended : trace.end);
  }
  if (trace.workers.empty()) opened = 0;
  if (ended == 0) ended = trace.end;
  tally.opened(opened);
  std::vector<watch::Tally::Worker*> workers;
  for (const auto& worker : trace.workers) {
    const auto rank = trace.ranks.find(worker.rank);
    auto& one = tally.worker_started(worker.id, worker.rank, rank == trace.ranks.end() ? "?" : rank->second.host,
                                     worker.started);
    one.pid = worker.pid;
    workers.push_back(&one);
  }
  std::uint64_t chunk = 0;
  for (const auto& task : trace.tasks) {
    auto& worker = *workers[task.worker];
    const bool ended_itself = task.outcome == Outcome::done || task.outcome == Outcome::error;
    tally.submitted(task.outcome == Outcome::lost ? 0 : 1);
    tally.sent(worker, ++chunk, trace.names[task.name], task.bytes_in, task.begin);
    if (ended_itself) {
      tally.outcome(task.outcome, 1, task.bytes_out);
      tally.chunk_done(worker, chunk, task.number, 1, static_cast<std::uint64_t>(task.length),
                       task.begin + task.length);
    } else {
      // It went with its worker: the time was spent all the same.
      tally.broke_off(worker, task.begin + task.length);
      if (task.outcome != Outcome::lost) tally.failed(task.outcome, 1);
    }
  }
  for (const auto& part : trace.parts) {
    auto& worker = *workers[part.worker];
    tally.sent(worker, ++chunk, trace.names[part.name], 0, part.begin);
    tally.broke_off(worker, part.begin + part.length);
  }
  std::uint64_t lost = 0;
  for (const auto& task : trace.tasks) lost += task.outcome == Outcome::lost ? 1 : 0;
  std::uint64_t retried = 0;
  for (const auto& mark : trace.marks) {
    if (mark.what == "retry") ++retried;
    if (mark.what == "cancelled") {
      tally.submitted(mark.count);
      tally.cancelled(mark.count);
    }
  }
  for (std::uint64_t i = 0; i < retried; ++i) tally.retried();
  if (lost > retried) {
    tally.submitted(lost - retried);
    tally.failed(Outcome::lost, lost - retried);
  }
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (trace.workers[i].ended != 0) tally.worker_ended(*workers[i], trace.workers[i].ended);
  }
  tally.ended(std::max(ended, opened));
  return tally.insights(trace.end, {});
}

}  // namespace rankpool::tools
