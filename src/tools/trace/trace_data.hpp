#pragma once

#include "watch/event.hpp"

#include <rankpool/insights.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rankpool::tools {

using watch::Outcome;
using watch::Time;

/// A trace of RANKPOOL_TRACE as it was read. Times are nanoseconds from the begin of the trace.
struct TraceData {
  struct Worker {
    std::uint32_t id = 0;
    std::int32_t rank = 0;
    std::int64_t pid = 0;
    Time started = 0;
    Time ended = 0;  ///< 0: not before the trace's end
    bool lost = false;
  };
  struct Task {
    Time begin = 0;
    Time length = 0;
    std::uint64_t number = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint32_t name = 0;    ///< index into `names`
    std::uint32_t worker = 0;  ///< index into `workers`
    std::uint32_t attempt = 1;
    Outcome outcome{};
    bool is_part = false;  ///< of another rank than the first of a task of several
  };
  /// A loss, a retry, what was cancelled.
  struct Mark {
    Time when = 0;
    std::string what;
    std::string about;
    std::uint64_t count = 1;
  };
  struct Rank {
    std::string host;
    double clock_uncertainty_us = 0;
    bool lost = false;
  };

  /// What a worker said of its process.
  struct Memory {
    Time when = 0;
    std::uint64_t bytes = 0;
    std::uint32_t worker = 0;  ///< index into `workers`
    bool is_peak = false;      ///< the most there ever was; else what is resident
  };

  std::vector<std::string> names;
  std::vector<Worker> workers;
  std::vector<Task> tasks;     ///< sorted by worker, then by time
  std::vector<Task> parts;     ///< what the other ranks of tasks of several did; sorted likewise
  std::vector<Memory> memory;  ///< sorted likewise; empty if it is not known
  std::vector<Mark> marks;
  std::map<std::int32_t, Rank> ranks;
  Time end = 0;               ///< of what is known
  bool complete = false;      ///< the job ended in order, and all of it is here
  std::uint64_t dropped = 0;  ///< events that are missing
};

/// Reads a trace, compressed or not, also one that breaks off in the middle. @throws std::runtime_error with a sentence
/// for what is no such file
[[nodiscard]] TraceData read_trace(const std::string& path);

/// What `executor.insights()` says, from the trace. All executors and pools of the job are taken together.
[[nodiscard]] Insights insights_of(const TraceData& trace);

/// One HTML file that needs no network.
[[nodiscard]] std::string page_of(const TraceData& trace, const std::string& title);

}  // namespace rankpool::tools
