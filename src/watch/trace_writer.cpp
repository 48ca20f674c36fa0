#include "watch/trace_writer.hpp"

#include "base/log.hpp"
#include "base/pace.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>

namespace rankpool::watch {
namespace {

constexpr Time kFlushEvery = std::chrono::nanoseconds(pace::kFlushTrace).count();
/// So much is not kept in memory until then.
constexpr std::size_t kFlushBytes = std::size_t{4} << 20U;
/// Counters change with every event: they are drawn so often, and ever rarer, so that a long job has some thousands.
constexpr Time kCountersEvery = 5 * kMillisecond;
constexpr Time kCountersPart = 2000;
/// So are the memory of each worker, where it has changed by much, and its peak whenever that has.
constexpr Time kMemoryEvery = 100 * kMillisecond;
constexpr Time kMemoryPart = 500;
bool differ_much(std::uint64_t bytes, std::uint64_t shown) {
  return (bytes > shown ? bytes - shown : shown - bytes) > std::max(std::uint64_t{1} << 20U, shown / 32);
}

// Widths of the slots: what they hold as a rule. A longer number makes its line longer.
constexpr std::size_t kPidWidth = 5;
constexpr std::size_t kTidWidth = 7;
constexpr std::size_t kDurationWidth = 12;
constexpr std::size_t kBeginWidth = 14;
constexpr std::size_t kNumberWidth = 10;
constexpr std::size_t kAttemptWidth = 2;
constexpr std::size_t kBytesWidth = 10;

/// Writes `value` so that it ends before `end`, blanks before it to a width of `width`. False if it is too long.
bool put_number(char* end, std::size_t width, std::uint64_t value) {
  char* const begin = end - width;
  do {
    if (end == begin) return false;
    *--end = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  std::fill(begin, end, ' ');
  return true;
}

/// Microseconds with three decimals.
bool put_time(char* end, std::size_t width, Time nanoseconds) {
  auto value = static_cast<std::uint64_t>(std::max<Time>(nanoseconds, 0));
  for (int digit = 0; digit < 3; ++digit, value /= 10) *--end = static_cast<char>('0' + value % 10);
  *--end = '.';
  return put_number(end, width - 4, value);
}

std::string host_arguments(const std::string& host) { return "{\"host\":" + json_text(host) + "}"; }

/// A length of time, 0 for one below.
std::string in_microseconds(Time length) {
  char text[32];
  length = std::max<Time>(length, 0);
  std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(length / 1000), static_cast<int>(length % 1000));
  return text;
}

}  // namespace

std::string json_text(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      json += code;
    } else {
      json += c;
    }
  }
  return json + '"';
}

TraceWriter::TraceWriter(const std::string& path, Time begin) : file_(path), begin_(begin), last_flush_(begin) {
  file_.text("[\n");
}

std::string TraceWriter::microseconds(Time when) const { return in_microseconds(when - begin_); }

void TraceWriter::metadata(const char* what, std::int64_t pid, std::int64_t tid, const std::string& arguments) {
  file_.text("{\"ph\":\"M\",\"name\":\"" + std::string(what) + "\",\"pid\":" + std::to_string(pid) +
             ",\"tid\":" + std::to_string(tid) + ",\"args\":" + arguments + "},\n");
}

void TraceWriter::instant(const char* name, const char* category, std::uint32_t worker, TaskBook& book, Time when,
                          const std::string& arguments) {
  const auto* const one = book.worker(worker);
  const std::int64_t pid = one == nullptr ? 1 : one->rank + 1;
  file_.text("{\"ph\":\"i\",\"s\":\"t\",\"name\":\"" + std::string(name) + "\",\"cat\":\"" + category +
             "\",\"pid\":" + std::to_string(pid) + ",\"tid\":" + std::to_string(kFirstTid + worker) +
             ",\"ts\":" + microseconds(when) + ",\"args\":" + arguments + "},\n");
}

void TraceWriter::event(const Event& event, TaskBook& book) {
  if (failed_) return;
  counters(event.when, book);
  switch (event.what) {
    case What::rank_joined: {
      const auto rank = static_cast<std::int32_t>(event.worker);
      const auto found = book.ranks().find(rank);
      if (found == book.ranks().end()) return;
      metadata("process_name", rank + 1, 0,
               "{\"name\":" + json_text("rank " + std::to_string(rank) + " on " + found->second.host) + "}");
      metadata("process_sort_index", rank + 1, 0, "{\"sort_index\":" + std::to_string(rank) + "}");
      metadata("rankpool_rank", rank + 1, 0, host_arguments(found->second.host));
      break;
    }
    case What::rank_lost:
      file_.text("{\"ph\":\"i\",\"s\":\"p\",\"name\":\"rank lost\",\"cat\":\"loss\",\"pid\":" +
                 std::to_string(static_cast<std::int32_t>(event.worker) + 1) +
                 ",\"tid\":0,\"ts\":" + microseconds(event.when) + ",\"args\":{}},\n");
      break;
    case What::worker_ready: {
      const auto* const one = book.worker(event.worker);
      if (one == nullptr) return;
      const std::int64_t tid = kFirstTid + event.worker;
      metadata("thread_name", one->rank + 1, tid,
               "{\"name\":\"worker " + std::to_string(event.worker) + " (pid " + std::to_string(one->pid) + ")\"}");
      metadata("thread_sort_index", one->rank + 1, tid, "{\"sort_index\":" + std::to_string(event.worker) + "}");
      metadata("rankpool_worker", one->rank + 1, tid,
               "{\"worker\":" + std::to_string(event.worker) + ",\"pid\":" + std::to_string(one->pid) +
                   ",\"started\":" + microseconds(one->started) + ",\"ready\":" + microseconds(event.when) + "}");
      break;
    }
    case What::group_rank_began:
      parts_[event.worker] = {&book.name_of(event.work), event.first, event.count, event.when};
      break;
    case What::group_rank_ended:
      part_ended(event.worker, event.when, book);
      break;
    case What::worker_memory:
      memory(event, book);
      break;
    case What::worker_gone:
      part_ended(event.worker, event.when, book);
      if (const auto found = memory_.find(event.worker); found != memory_.end()) {
        show_resident(event.worker, found->second, event.when, book);
        memory_.erase(found);
      }
      instant(event.detail != 0 ? "worker lost" : "worker ended", event.detail != 0 ? "loss" : "end", event.worker,
              book, event.when, "{}");
      break;
    case What::item_retried:
      file_.text("{\"ph\":\"i\",\"s\":\"g\",\"name\":\"retry\",\"cat\":\"retry\",\"pid\":1,\"tid\":0,\"ts\":" +
                 microseconds(event.when) + ",\"args\":{\"task\":" + json_text(book.name_of(event.work)) +
                 ",\"number\":" + std::to_string(event.first) + "}},\n");
      break;
    case What::items_cancelled:
      file_.text("{\"ph\":\"i\",\"s\":\"g\",\"name\":\"cancelled\",\"cat\":\"cancel\",\"pid\":1,\"tid\":0,\"ts\":" +
                 microseconds(event.when) + ",\"args\":{\"task\":" + json_text(book.name_of(event.work)) +
                 ",\"first\":" + std::to_string(event.first) + ",\"count\":" + std::to_string(event.count) + "}},\n");
      break;
    case What::items_failed:
      // Those that ran have an event of their own; with a whole pool, those that waited fail too.
      if (event.count > 1) {
        file_.text("{\"ph\":\"i\",\"s\":\"g\",\"name\":\"failed\",\"cat\":\"failed\",\"pid\":1,\"tid\":0,\"ts\":" +
                   microseconds(event.when) + ",\"args\":{\"task\":" + json_text(book.name_of(event.work)) +
                   ",\"first\":" + std::to_string(event.first) + ",\"count\":" + std::to_string(event.count) +
                   ",\"why\":\"" + outcome_name(static_cast<Outcome>(event.detail)) + "\"}},\n");
      }
      break;
    default:
      break;
  }
}

/// What a process of a task of several ranks has done that is not the first of them: that one's run is the task's.
void TraceWriter::part_ended(std::uint32_t worker, Time when, TaskBook& book) {
  const auto found = parts_.find(worker);
  if (found == parts_.end()) return;
  const Part part = found->second;
  parts_.erase(found);
  const auto* const one = book.worker(worker);
  file_.text("{\"ph\":\"X\",\"name\":" + json_text(*part.name) + ",\"cat\":\"rank\",\"pid\":" +
             std::to_string(one == nullptr ? 1 : one->rank + 1) + ",\"tid\":" + std::to_string(kFirstTid + worker) +
             ",\"dur\":" + in_microseconds(when - part.begin) + ",\"ts\":" + microseconds(part.begin) +
             ",\"args\":{\"number\":" + std::to_string(part.item) + ",\"rank\":" + std::to_string(part.rank) + "}},\n");
}

void TraceWriter::memory(const Event& event, TaskBook& book) {
  if (book.worker(event.worker) == nullptr) return;
  Memory& one = memory_[event.worker];
  one.resident = event.value;
  one.peak = std::max(event.first, event.value);
  if (one.peak > one.shown_peak && differ_much(one.peak, one.shown_peak)) {
    memory_counter("peak", event.worker, one.shown_peak = one.peak, event.when, book);
  }
  if (event.when - one.shown >= std::max(kMemoryEvery, (event.when - begin_) / kMemoryPart)) {
    show_resident(event.worker, one, event.when, book);
  }
}

/// If that is not what is shown already.
void TraceWriter::show_resident(std::uint32_t worker, Memory& memory, Time when, TaskBook& book) {
  if (!differ_much(memory.resident, memory.shown_resident)) return;
  memory_counter("resident", worker, memory.shown_resident = memory.resident, when, book);
  memory.shown = when;
}

void TraceWriter::memory_counter(const char* what, std::uint32_t worker, std::uint64_t bytes, Time when,
                                 TaskBook& book) {
  const auto* const one = book.worker(worker);
  file_.text("{\"ph\":\"C\",\"name\":\"" + std::string(what) + " memory of worker " + std::to_string(worker) +
             "\",\"cat\":\"" + what + "\",\"pid\":" + std::to_string(one == nullptr ? 1 : one->rank + 1) +
             ",\"tid\":" + std::to_string(kFirstTid + worker) + ",\"ts\":" + microseconds(when) +
             ",\"args\":{\"value\":" + std::to_string(bytes) + "}},\n");
}

TraceWriter::Line& TraceWriter::line_for(const std::string& name, Outcome outcome, bool estimated) {
  const auto kind = static_cast<std::uint32_t>(outcome) * 2 + (estimated ? 1 : 0);
  if (last_line_ != nullptr && last_name_ == &name && last_kind_ == kind) return *last_line_;
  Line& line = lines_[{&name, kind}];
  if (line.text.empty()) {
    const auto slot = [&](const char* before, std::size_t width) {
      line.text += before;
      line.text.append(width, ' ');
      return line.text.size();
    };
    line.text = "{\"ph\":\"X\",\"name\":" + json_text(name) + ",\"cat\":\"" + outcome_name(outcome) + "\"";
    line.pid = slot(",\"pid\":", kPidWidth);
    line.tid = slot(",\"tid\":", kTidWidth);
    line.duration = slot(",\"dur\":", kDurationWidth);
    line.begin = slot(",\"ts\":", kBeginWidth);
    line.number = slot(",\"args\":{\"number\":", kNumberWidth);
    line.attempt = slot(",\"attempt\":", kAttemptWidth);
    line.in = slot(",\"bytes_in\":", kBytesWidth);
    line.out = slot(",\"bytes_out\":", kBytesWidth);
    line.text += estimated ? ",\"estimated\":true}},\n" : "}},\n";
  }
  last_name_ = &name;
  last_kind_ = kind;
  last_line_ = &line;
  return line;
}

void TraceWriter::run(const TaskRun& run, TaskBook& book) {
  if (failed_) return;
  const auto* const worker = book.worker(run.worker);
  const std::int32_t rank = worker == nullptr ? 0 : worker->rank;
  const std::string& name = book.name_of(run.work);
  Line& line = line_for(name, run.outcome, run.estimated);
  char* const text = line.text.data();
  const bool fits = put_number(text + line.pid, kPidWidth, static_cast<std::uint64_t>(rank + 1)) &&
                    put_number(text + line.tid, kTidWidth, kFirstTid + run.worker) &&
                    put_time(text + line.duration, kDurationWidth, run.end - run.begin) &&
                    put_time(text + line.begin, kBeginWidth, run.begin - begin_) &&
                    put_number(text + line.number, kNumberWidth, run.item) &&
                    put_number(text + line.attempt, kAttemptWidth, run.attempt) &&
                    put_number(text + line.in, kBytesWidth, run.bytes_in) &&
                    put_number(text + line.out, kBytesWidth, run.bytes_out);
  if (fits) {
    file_.text(line.text);
  } else {
    char times[64];
    const Time length = run.end - run.begin;
    std::snprintf(times, sizeof times, ",\"dur\":%lld.%03d", static_cast<long long>(length / 1000),
                  static_cast<int>(length % 1000));
    file_.text("{\"ph\":\"X\",\"name\":" + json_text(name) + ",\"cat\":\"" + outcome_name(run.outcome) +
               "\",\"pid\":" + std::to_string(rank + 1) + ",\"tid\":" + std::to_string(kFirstTid + run.worker) + times +
               ",\"ts\":" + microseconds(run.begin) + ",\"args\":{\"number\":" + std::to_string(run.item) +
               ",\"attempt\":" + std::to_string(run.attempt) + ",\"bytes_in\":" + std::to_string(run.bytes_in) +
               ",\"bytes_out\":" + std::to_string(run.bytes_out) +
               (run.estimated ? ",\"estimated\":true}},\n" : "}},\n"));
  }
  if (file_.waiting() > kFlushBytes) flush(run.end, false, book);
}

void TraceWriter::counters(Time now, TaskBook& book) {
  if (book.waiting() == waiting_ && book.busy() == busy_) return;
  if (now - last_counters_ < std::max(kCountersEvery, (now - begin_) / kCountersPart)) return;
  const auto counter = [&](const char* name, std::uint64_t value) {
    file_.text("{\"ph\":\"C\",\"name\":\"" + std::string(name) + "\",\"pid\":1,\"tid\":0,\"ts\":" + microseconds(now) +
               ",\"args\":{\"value\":" + std::to_string(value) + "}},\n");
  };
  if (book.waiting() != waiting_) counter("waiting tasks", waiting_ = book.waiting());
  if (book.busy() != busy_) counter("busy workers", busy_ = book.busy());
  last_counters_ = now;
}

/// How well each node's clock is known: again when that is twice as good, and for the eye of who looks at a viewer.
void TraceWriter::clocks(TaskBook& book) {
  for (const auto& [rank, entry] : book.ranks()) {
    if (!entry.own_clock && !entry.clock.known()) continue;
    const Time uncertainty = entry.own_clock ? 0 : entry.clock.uncertainty();
    const auto told = told_uncertainty_.find(rank);
    if (told != told_uncertainty_.end() && (told->second == uncertainty || uncertainty * 2 > told->second)) continue;
    told_uncertainty_[rank] = uncertainty;
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "{\"offset_us\":%.3f,\"uncertainty_us\":%.3f}",
                  entry.own_clock ? 0.0 : static_cast<double>(entry.clock.offset()) / 1e3,
                  static_cast<double>(uncertainty) / 1e3);
    metadata("rankpool_clock", rank + 1, 0, numbers);
    if (entry.own_clock) continue;
    std::snprintf(numbers, sizeof numbers, "{\"labels\":\"clock within %.0f us\"}",
                  static_cast<double>(uncertainty) / 1e3);
    metadata("process_labels", rank + 1, 0, numbers);
  }
}

void TraceWriter::tick(Time now, TaskBook& book) {
  if (failed_) return;
  counters(now, book);
  if (now - last_flush_ < kFlushEvery) return;
  clocks(book);
  flush(now, false, book);
}

Time TraceWriter::next(Time) const { return failed_ ? INT64_MAX : last_flush_ + kFlushEvery; }

void TraceWriter::end(Time now, TaskBook& book) {
  if (failed_) return;
  last_counters_ = 0;
  counters(now, book);
  for (auto& [worker, memory] : memory_) {
    const auto* const one = book.worker(worker);
    if (one != nullptr && one->alive) show_resident(worker, memory, now, book);
  }
  clocks(book);
  flush(now, true, book);
}

void TraceWriter::flush(Time now, bool complete, const TaskBook& book) {
  last_flush_ = now;
  try {
    // Always of one length, as it is overwritten.
    char ending[160];
    const int size = std::snprintf(ending, sizeof ending,
                                   "{\"ph\":\"M\",\"name\":\"rankpool_end\",\"pid\":1,\"tid\":0,\"args\":{\"ts\":%14s,"
                                   "\"dropped\":%10llu,\"complete\":%5s}}\n]\n",
                                   microseconds(now).c_str(), static_cast<unsigned long long>(book.dropped()),
                                   complete ? "true" : "false");
    file_.flush({ending, static_cast<std::size_t>(size)});
  } catch (const std::exception& e) {
    failed_ = true;
    base::log_warn(std::string("RANKPOOL_TRACE: the trace ends here: ") + e.what());
  }
}

}  // namespace rankpool::watch
