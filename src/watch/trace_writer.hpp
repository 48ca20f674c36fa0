#pragma once

#include "watch/reader.hpp"
#include "watch/trace_file.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace rankpool::watch {

/// Writes the trace-event format that Perfetto and chrome://tracing open: a process for each rank, a thread for each
/// worker, an X event for each run of a task, instants for losses and retries, counters.
///
///     {"ph":"X","name":"fit(double)","cat":"done","pid":1,"tid":100001,"dur":  10.1,"ts":  12345.6,"args":{...}},
///
/// One event a line; numbers are padded, so that lines of one task are alike but for some digits, which are written
/// into the line before. Pids and tids are not 0, which viewers take for the idle process: rank + 1, and worker +
/// kFirstTid.
class TraceWriter final : public Reader {
 public:
  static constexpr std::uint32_t kFirstTid = 100'000;

  /// `begin` is zero in the trace. @throws std::system_error if the file cannot be made
  TraceWriter(const std::string& path, Time begin);

  void event(const Event& event, TaskBook& book) override;
  void run(const TaskRun& run, TaskBook& book) override;
  void tick(Time now, TaskBook& book) override;
  [[nodiscard]] Time next(Time now) const override;
  void end(Time now, TaskBook& book) override;

 private:
  /// The last line of a task's name and outcome, whose digits the next one changes.
  struct Line {
    std::string text;
    std::size_t pid = 0, tid = 0, duration = 0, begin = 0, number = 0, attempt = 0, in = 0, out = 0;  ///< ends of slots
  };

  struct Part {
    const std::string* name = nullptr;  ///< of the task
    std::uint64_t item = 0;
    std::uint64_t rank = 0;
    Time begin = 0;
  };

  /// What a worker has said of its memory, and what of that is in the trace.
  struct Memory {
    std::uint64_t resident = 0;
    std::uint64_t peak = 0;
    std::uint64_t shown_resident = 0;
    std::uint64_t shown_peak = 0;
    Time shown = 0;
  };

  void memory(const Event& event, TaskBook& book);
  void show_resident(std::uint32_t worker, Memory& memory, Time when, TaskBook& book);
  void memory_counter(const char* what, std::uint32_t worker, std::uint64_t bytes, Time when, TaskBook& book);
  void part_ended(std::uint32_t worker, Time when, TaskBook& book);
  Line& line_for(const std::string& name, Outcome outcome, bool estimated);
  void metadata(const char* what, std::int64_t pid, std::int64_t tid, const std::string& arguments);
  void instant(const char* name, const char* category, std::uint32_t worker, TaskBook& book, Time when,
               const std::string& arguments);
  void counters(Time now, TaskBook& book);
  void clocks(TaskBook& book);
  void flush(Time now, bool complete, const TaskBook& book);
  [[nodiscard]] std::string microseconds(Time when) const;

  TraceFile file_;
  const Time begin_;
  std::map<std::pair<const std::string*, std::uint32_t>, Line> lines_;
  std::map<std::uint32_t, Part> parts_;  ///< of tasks of several ranks, that run; by worker
  std::map<std::uint32_t, Memory> memory_;
  const std::string* last_name_ = nullptr;
  std::uint32_t last_kind_ = 0;
  Line* last_line_ = nullptr;
  Time last_flush_ = 0;
  Time last_counters_ = 0;
  std::uint64_t waiting_ = UINT64_MAX;
  std::uint64_t busy_ = UINT64_MAX;
  std::map<std::int32_t, Time> told_uncertainty_;
  bool failed_ = false;
};

/// A text as JSON has it, with its quotes.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace rankpool::watch
