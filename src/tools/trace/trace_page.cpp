#include "tools/trace/trace_chart.hpp"
#include "tools/trace/trace_data.hpp"
#include "tools/trace/trace_memory.hpp"

#include "watch/size_text.hpp"
#include "watch/trace_writer.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace rankpool::tools {

/// page.html, which stands beside this file.
extern const char* const kPageTemplate;

namespace {

/// Beyond so many tasks, neighbours that no eye could tell apart become one.
constexpr std::size_t kMostTasks = 1'500'000;
constexpr std::size_t kRowsOfTables = 200;

/// A text within a <script>: no "</script>" may come of it.
std::string script_text(std::string_view text) {
  std::string json = watch::json_text(text);
  for (std::size_t at = 0; (at = json.find('<', at)) != std::string::npos; at += 6) json.replace(at, 1, "\\u003c");
  return json;
}

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 128; value >>= 7U) to += static_cast<char>((value & 127U) | 128U);
  to += static_cast<char>(value);
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8U) | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? digits[(group >> (18 - 6 * j)) & 63U] : '=';
    }
  }
  return text;
}

std::string deflated(const std::string& bytes) {
  uLongf size = ::compressBound(static_cast<uLong>(bytes.size()));
  std::string result(size, '\0');
  if (::compress2(reinterpret_cast<Bytef*>(result.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                  static_cast<uLong>(bytes.size()), 6) != Z_OK) {
    throw std::runtime_error("the page's data could not be compressed");
  }
  result.resize(size);
  return result;
}

/// The tasks of one worker.
struct Row {
  const TraceData::Task* begin;
  const TraceData::Task* end;
};
std::vector<Row> rows_of(const std::vector<TraceData::Task>& tasks, std::size_t workers) {
  std::vector<Row> rows(workers, Row{nullptr, nullptr});
  for (const auto& task : tasks) {
    Row& row = rows[task.worker];
    if (row.begin == nullptr) row.begin = &task;
    row.end = &task + 1;
  }
  return rows;
}

/// What is drawn in the timeline, sorted by worker, then by time.
std::vector<TraceData::Task> timeline(const TraceData& trace) {
  auto all = trace.tasks;
  if (!trace.parts.empty()) {
    all.insert(all.end(), trace.parts.begin(), trace.parts.end());
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a.worker != b.worker ? a.worker < b.worker : a.begin < b.begin;
    });
  }
  if (all.size() <= kMostTasks) return all;
  const Time too_fine = trace.end / 200'000;
  std::vector<TraceData::Task> joined;
  for (const auto& task : all) {
    if (!joined.empty()) {
      auto& last = joined.back();
      const Time end = last.begin + last.length;
      if (last.worker == task.worker && last.name == task.name && last.outcome == task.outcome &&
          last.is_part == task.is_part && last.length < too_fine && task.length < too_fine &&
          task.begin - end < too_fine) {
        last.length = std::max(end, task.begin + task.length) - last.begin;
        continue;
      }
    }
    joined.push_back(task);
  }
  return joined;
}

/// See `unpack` in page.html.
std::string packed(const std::vector<TraceData::Task>& tasks, std::size_t workers, Time unit) {
  std::string bytes;
  for (const Row& row : rows_of(tasks, workers)) {
    put_varint(bytes, static_cast<std::uint64_t>(row.end - row.begin));
    std::uint64_t before = 0;
    for (const auto* task = row.begin; task != row.end; ++task) {
      const auto begin = static_cast<std::uint64_t>(task->begin / unit);
      put_varint(bytes, begin - std::min(before, begin));
      before = std::max(before, begin);
    }
    for (const auto* task = row.begin; task != row.end; ++task) {
      put_varint(bytes, static_cast<std::uint64_t>((task->length + unit / 2) / unit));
    }
    std::int64_t expected = 0;
    for (const auto* task = row.begin; task != row.end; ++task) {
      const std::int64_t off = static_cast<std::int64_t>(task->number) - expected;
      put_varint(bytes, off < 0 ? static_cast<std::uint64_t>(-off) * 2 - 1 : static_cast<std::uint64_t>(off) * 2);
      expected = static_cast<std::int64_t>(task->number) + 1;
    }
    for (const auto* task = row.begin; task != row.end;) {
      const auto kind = [](const TraceData::Task& one) {
        const std::uint64_t how = one.is_part ? watch::kOutcomes : static_cast<std::uint64_t>(one.outcome);
        return std::min<std::uint64_t>(one.name, 8191) * 8 + how;
      };
      const auto* run = task;
      while (run != row.end && kind(*run) == kind(*task)) ++run;
      put_varint(bytes, kind(*task));
      put_varint(bytes, static_cast<std::uint64_t>(run - task));
      task = run;
    }
  }
  return bytes;
}

std::string throughput(const TraceData& trace) {
  std::vector<double> bars(kChartBins);
  const double bin = std::max(static_cast<double>(trace.end) / kChartBins, 1.0);
  for (const auto& task : trace.tasks) {
    const auto at = static_cast<std::size_t>(static_cast<double>(task.begin + task.length) / bin);
    bars[std::min(at, kChartBins - 1)] += 1e9 / bin;
  }
  const double most = *std::max_element(bars.begin(), bars.end());
  return chart(bars, {"0", length(trace.end), number(most, 3) + " a second"}, "throughput");
}

std::string busy(const TraceData& trace) {
  std::vector<double> bars(kChartBins);
  const double bin = std::max(static_cast<double>(trace.end) / kChartBins, 1.0);
  const auto add = [&](const TraceData::Task& task) {
    const auto begin = static_cast<double>(task.begin);
    const double end = begin + static_cast<double>(task.length);
    for (auto at = static_cast<std::size_t>(begin / bin); at < kChartBins; ++at) {
      const double from = static_cast<double>(at) * bin;
      if (from >= end) break;
      bars[at] += (std::min(end, from + bin) - std::max(begin, from)) / bin;
    }
  };
  std::for_each(trace.tasks.begin(), trace.tasks.end(), add);
  std::for_each(trace.parts.begin(), trace.parts.end(), add);
  const double most = *std::max_element(bars.begin(), bars.end());
  return chart(bars, {"0", length(trace.end), number(most, 3) + " of " + std::to_string(trace.workers.size())}, "busy");
}

std::string lengths(const TraceData& trace) {
  constexpr std::size_t bins = 60;
  double least = 1e18;
  double longest = 1;
  for (const auto& task : trace.tasks) {
    const auto ns = static_cast<double>(std::max<Time>(task.length, 1));
    least = std::min(least, ns);
    longest = std::max(longest, ns);
  }
  least = std::min(least, longest / 1.2);
  const double each = bins / std::log(longest / least);
  std::vector<double> bars(bins);
  for (const auto& task : trace.tasks) {
    const double at = std::log(static_cast<double>(std::max<Time>(task.length, 1)) / least) * each;
    bars[std::min(static_cast<std::size_t>(std::max(at, 0.0)), bins - 1)] += 1;
  }
  const double most = *std::max_element(bars.begin(), bars.end());
  return chart(bars,
               {length(static_cast<Time>(least)), length(static_cast<Time>(longest)) + " (logarithmic)",
                number(most, 3) + " tasks"},
               "lengths");
}

std::string by_worker(const Insights& insights) {
  std::vector<double> bars;
  double most = 0;
  for (const auto& worker : insights.workers) {
    const double life = static_cast<double>((worker.busy + worker.idle).count());
    bars.push_back(life > 0 ? static_cast<double>(worker.busy.count()) / life : 0);
    most = std::max(most, bars.back());
  }
  if (bars.empty()) bars.push_back(0);
  return chart(bars, {"worker 0", "worker " + std::to_string(bars.size() - 1), number(most * 100, 3) + " %"},
               "workers");
}

std::string slowest(const TraceData& trace) {
  std::vector<std::size_t> order(trace.tasks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t shown = std::min<std::size_t>(order.size(), 10);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [&](std::size_t a, std::size_t b) { return trace.tasks[a].length > trace.tasks[b].length; });
  std::string text =
      "<table id=\"slowest\"><tr><th>Task<th class=n>Length<th class=n>From<th class=n>Worker<th>Host<th "
      "class=n>Attempt<th>Ended";
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& task = trace.tasks[order[i]];
    const auto& worker = trace.workers[task.worker];
    const auto rank = trace.ranks.find(worker.rank);
    text += "<tr><td>" + html(trace.names[task.name]) + " #" + std::to_string(task.number) + "<td class=n>" +
            length(task.length) + "<td class=n>" + length(task.begin) + "<td class=n>" + std::to_string(worker.id) +
            "<td>" + html(rank == trace.ranks.end() ? "" : rank->second.host) + "<td class=n>" +
            std::to_string(task.attempt) + "<td>" + watch::outcome_name(task.outcome);
  }
  return text + "</table>";
}

std::string marks(const TraceData& trace) {
  std::vector<TraceData::Mark> all = trace.marks;
  for (const auto& task : trace.tasks) {
    if (task.outcome == Outcome::done || all.size() > kRowsOfTables) continue;
    all.push_back({task.begin + task.length, std::string("task ") + watch::outcome_name(task.outcome),
                   trace.names[task.name] + " #" + std::to_string(task.number) + " on worker " +
                       std::to_string(trace.workers[task.worker].id),
                   1});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.when < b.when; });
  if (all.empty()) return "<p id=\"marks\" class=dim>None.</p>";
  std::string text = "<table id=\"marks\"><tr><th class=n>When<th>What<th>Of<th class=n>Tasks";
  for (std::size_t i = 0; i < std::min(all.size(), kRowsOfTables); ++i) {
    text += "<tr><td class=n>" + length(all[i].when) + "<td>" + html(all[i].what) + "<td>" + html(all[i].about) +
            "<td class=n>" + std::to_string(all[i].count);
  }
  text += "</table>";
  if (all.size() > kRowsOfTables) text += "<p class=dim>The first " + std::to_string(kRowsOfTables) + ".</p>";
  return text;
}

std::string notes(const TraceData& trace, std::size_t drawn) {
  std::string text;
  if (!trace.complete) {
    text +=
        "<p class=warn>The job did not end in order: this is what is known of its first " + length(trace.end) + ".</p>";
  }
  if (trace.dropped != 0) {
    text += "<p class=warn>" + std::to_string(trace.dropped) +
            " events are missing: they came faster than they could be written.</p>";
  }
  if (drawn < trace.tasks.size() + trace.parts.size()) {
    text += "<p class=dim>" + std::to_string(trace.tasks.size()) + " tasks; in the timeline neighbours shorter than " +
            length(trace.end / 200'000) + " are drawn as one.</p>";
  }
  double worst = 0;
  for (const auto& [rank, about] : trace.ranks) worst = std::max(worst, about.clock_uncertainty_us);
  if (worst > 0) {
    text += "<p class=dim>The nodes' clocks are aligned to " + number(worst, 2) + " \u00b5s.</p>";
  }
  return text;
}

std::string head(const TraceData& trace, Time unit) {
  const auto memory = largest_memory(trace);
  std::string text =
      "{\"end\":" + std::to_string(std::max<Time>(trace.end, 1)) + ",\"unit\":" + std::to_string(unit) + ",\"names\":[";
  for (std::size_t i = 0; i < trace.names.size(); ++i) text += (i == 0 ? "" : ",") + script_text(trace.names[i]);
  text += "],\"workers\":[";
  for (std::size_t i = 0; i < trace.workers.size(); ++i) {
    const auto& worker = trace.workers[i];
    const auto rank = trace.ranks.find(worker.rank);
    text += (i == 0 ? "" : ",") + std::string("{\"id\":") + std::to_string(worker.id) +
            ",\"rank\":" + std::to_string(worker.rank) +
            ",\"host\":" + script_text(rank == trace.ranks.end() ? "" : rank->second.host) +
            ",\"ended\":" + std::to_string(worker.ended) + ",\"lost\":" + (worker.lost ? "true" : "false") +
            (memory[i] == 0 ? "" : ",\"memory\":" + script_text(watch::size_text(memory[i]))) + "}";
  }
  return text + "]}";
}

}  // namespace

std::string page_of(const TraceData& trace, const std::string& title) {
  const Insights insights = insights_of(trace);
  std::ostringstream text;
  text << insights << memory_line(trace);
  const auto drawn = timeline(trace);
  // A hundred nanoseconds, or what the longest job needs to stay within a screen's means.
  const Time unit = std::max<Time>(100, trace.end / (Time{1} << 32U));
  std::string page;
  std::string_view rest = kPageTemplate;
  const auto value_of = [&](std::string_view name) -> std::string {
    if (name == "TITLE") return html(title);
    if (name == "NOTES") return notes(trace, drawn.size());
    if (name == "INSIGHTS") return html(text.str());
    if (name == "THROUGHPUT") return throughput(trace);
    if (name == "BUSY") return busy(trace);
    if (name == "LENGTHS") return lengths(trace);
    if (name == "WORKERS") return by_worker(insights);
    if (name == "MEMORY") return memory_charts(trace);
    if (name == "SLOWEST") return slowest(trace);
    if (name == "MARKS") return marks(trace);
    if (name == "HEAD") return head(trace, unit);
    if (name == "DATA") return base64(deflated(packed(drawn, trace.workers.size(), unit)));
    return {};
  };
  // A place is @NAME@ in capitals; style sheets have lower-case ones of their own.
  while (true) {
    const std::size_t at = rest.find('@');
    page += rest.substr(0, at);
    if (at == std::string_view::npos) return page;
    const std::size_t end = rest.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", at + 1);
    if (end != std::string_view::npos && end > at + 1 && rest[end] == '@') {
      page += value_of(rest.substr(at + 1, end - at - 1));
      rest.remove_prefix(end + 1);
    } else {
      page += '@';
      rest.remove_prefix(at + 1);
    }
  }
}

}  // namespace rankpool::tools
