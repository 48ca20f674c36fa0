#include "tools/trace/trace_data.hpp"

#include "watch/trace_writer.hpp"

#include <zlib.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <istream>
#include <memory>
#include <stdexcept>
#include <streambuf>
#include <unordered_map>

namespace rankpool::tools {
namespace {

using nlohmann::json;

/// What gzread gives, which is the file itself if it is not compressed. Ends where the file breaks off.
class GzipBuffer final : public std::streambuf {
 public:
  explicit GzipBuffer(const std::string& path) : file_(::gzopen(path.c_str(), "rb")) {
    if (file_ == nullptr) throw std::runtime_error("cannot read " + path + ": " + std::strerror(errno));
    ::gzbuffer(file_, 1U << 17U);
  }
  ~GzipBuffer() override { ::gzclose(file_); }
  GzipBuffer(const GzipBuffer&) = delete;
  GzipBuffer& operator=(const GzipBuffer&) = delete;

 protected:
  int_type underflow() override {
    const int got = ::gzread(file_, buffer_.data(), static_cast<unsigned>(buffer_.size()));
    if (got <= 0) return traits_type::eof();
    setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
    return traits_type::to_int_type(buffer_.front());
  }

 private:
  gzFile file_;
  std::array<char, 1U << 16U> buffer_{};
};

/// One event, flat: members of "args" go beside the others.
struct Event {
  std::string phase, name, category, text, host;
  double pid = 0, tid = 0, ts = 0, dur = 0, number = 0, attempt = 1, bytes_in = 0, bytes_out = 0, count = 1, first = 0;
  double worker = 0, worker_pid = 0, started = 0, uncertainty = 0, dropped = 0, value = 0;
  bool complete = false;
};

Outcome outcome_named(const std::string& name) {
  for (std::size_t i = 0; i < watch::kOutcomes; ++i) {
    if (name == watch::outcome_name(static_cast<Outcome>(i))) return static_cast<Outcome>(i);
  }
  return Outcome::done;
}

Time nanoseconds(double microseconds) {
  constexpr double most = 9e15;
  return std::isfinite(microseconds) ? static_cast<Time>(std::llround(std::clamp(microseconds, 0.0, most) * 1e3)) : 0;
}

std::uint64_t whole(double number) {
  constexpr double most = 1e18;
  return number >= 0 && number < most ? static_cast<std::uint64_t>(number) : 0;
}

class Handler final : public json::json_sax_t {
 public:
  explicit Handler(TraceData& to) : to_(to) {}

  bool null() override { return true; }
  bool boolean(bool value) override {
    if (key_ == "complete") event_.complete = value;
    return true;
  }
  bool number_integer(json::number_integer_t value) override { return number(static_cast<double>(value)); }
  bool number_unsigned(json::number_unsigned_t value) override { return number(static_cast<double>(value)); }
  bool number_float(json::number_float_t value, const json::string_t&) override { return number(value); }
  bool string(json::string_t& value) override {
    if (depth_ == 1) {
      if (key_ == "ph") event_.phase.swap(value);
      if (key_ == "name") event_.name.swap(value);
      if (key_ == "cat") event_.category.swap(value);
    } else if (depth_ == 2) {
      if (key_ == "host") event_.host.swap(value);
      if (key_ == "task" || key_ == "why") event_.text += (event_.text.empty() ? "" : ": ") + value;
    }
    return true;
  }
  bool binary(json::binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    if (++depth_ == 1) event_ = {};
    return true;
  }
  bool key(json::string_t& value) override {
    key_.swap(value);
    return true;
  }
  bool end_object() override {
    if (--depth_ == 0) take();
    return true;
  }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  bool number(double value) {
    static const std::unordered_map<std::string, double Event::*> members{{"pid", &Event::pid},
                                                                          {"tid", &Event::tid},
                                                                          {"ts", &Event::ts},
                                                                          {"dur", &Event::dur},
                                                                          {"number", &Event::number},
                                                                          {"attempt", &Event::attempt},
                                                                          {"bytes_in", &Event::bytes_in},
                                                                          {"bytes_out", &Event::bytes_out},
                                                                          {"count", &Event::count},
                                                                          {"first", &Event::first},
                                                                          {"worker", &Event::worker},
                                                                          {"started", &Event::started},
                                                                          {"dropped", &Event::dropped},
                                                                          {"uncertainty_us", &Event::uncertainty},
                                                                          {"value", &Event::value}};
    if (depth_ == 2 && key_ == "pid") {
      event_.worker_pid = value;
    } else if (const auto found = members.find(key_); found != members.end()) {
      event_.*found->second = value;
    }
    return true;
  }

  std::uint32_t worker_of(double tid) {
    const auto key = static_cast<std::int64_t>(tid);
    const auto found = workers_.find(key);
    if (found != workers_.end()) return found->second;
    const auto index = static_cast<std::uint32_t>(to_.workers.size());
    TraceData::Worker worker;
    worker.id = static_cast<std::uint32_t>(std::max<std::int64_t>(key - watch::TraceWriter::kFirstTid, 0));
    worker.rank = static_cast<std::int32_t>(event_.pid) - 1;
    worker.started = nanoseconds(event_.ts);
    to_.workers.push_back(worker);
    return workers_[key] = index;
  }
  std::uint32_t name_index() {
    const auto [at, is_new] = names_.emplace(event_.name, static_cast<std::uint32_t>(to_.names.size()));
    if (is_new) to_.names.push_back(event_.name);
    return at->second;
  }

  void take() {
    ++events_;
    const Time when = nanoseconds(event_.ts);
    if (event_.phase == "X") {
      TraceData::Task task;
      task.begin = when;
      task.length = nanoseconds(event_.dur);
      task.number = whole(event_.number);
      task.bytes_in = whole(event_.bytes_in);
      task.bytes_out = whole(event_.bytes_out);
      task.attempt = static_cast<std::uint32_t>(whole(event_.attempt));
      task.outcome = outcome_named(event_.category);
      task.name = name_index();
      task.worker = worker_of(event_.tid);
      to_.end = std::max(to_.end, task.begin + task.length);
      task.is_part = event_.category == "rank";
      (task.is_part ? to_.parts : to_.tasks).push_back(task);
    } else if (event_.phase == "i") {
      to_.end = std::max(to_.end, when);
      instant(when);
    } else if (event_.phase == "M") {
      metadata();
    } else if (event_.phase == "C") {
      to_.end = std::max(to_.end, when);
      const bool is_peak = event_.category == "peak";
      if (is_peak || event_.category == "resident") {
        to_.memory.push_back({when, whole(event_.value), worker_of(event_.tid), is_peak});
      }
    }
  }

  void instant(Time when) {
    if (event_.category == "end" || event_.category == "loss") {
      if (event_.name == "rank lost") {
        const auto rank = static_cast<std::int32_t>(event_.pid) - 1;
        to_.ranks[rank].lost = true;
        to_.marks.push_back({when, "rank lost", "rank " + std::to_string(rank), 1});
        for (auto& worker : to_.workers) {
          if (worker.rank == rank && worker.ended == 0) worker.ended = when;
        }
        return;
      }
      auto& worker = to_.workers[worker_of(event_.tid)];
      worker.ended = when;
      worker.lost = event_.category == "loss";
      if (worker.lost) to_.marks.push_back({when, "worker lost", "worker " + std::to_string(worker.id), 1});
      return;
    }
    const bool one = event_.name == "retry";
    const std::string number = std::to_string(whole(one ? event_.number : event_.first));
    to_.marks.push_back({when, event_.name, event_.text + " #" + number, one ? 1 : whole(event_.count)});
  }

  void metadata() {
    const auto rank = static_cast<std::int32_t>(event_.pid) - 1;
    if (event_.name == "rankpool_rank") {
      to_.ranks[rank].host = event_.host;
    } else if (event_.name == "rankpool_clock") {
      to_.ranks[rank].clock_uncertainty_us = event_.uncertainty;
    } else if (event_.name == "rankpool_worker") {
      const std::uint32_t index = worker_of(event_.tid);
      to_.workers[index].pid = static_cast<std::int64_t>(event_.worker_pid);
      to_.workers[index].started = nanoseconds(event_.started);
    } else if (event_.name == "rankpool_end") {
      is_ours_ = true;
      to_.complete = event_.complete;
      to_.dropped = whole(event_.dropped);
      to_.end = std::max(to_.end, nanoseconds(event_.ts));
    }
  }

  TraceData& to_;
  Event event_;
  std::string key_;
  int depth_ = 0;
  bool is_ours_ = false;
  std::uint64_t events_ = 0;
  std::unordered_map<std::int64_t, std::uint32_t> workers_;
  std::unordered_map<std::string, std::uint32_t> names_;
};

}  // namespace

TraceData read_trace(const std::string& path) {
  TraceData trace;
  const auto buffer = std::make_unique<GzipBuffer>(path);
  std::istream in(buffer.get());
  Handler handler(trace);
  const bool whole_file = json::sax_parse(in, &handler, json::input_format_t::json, false);
  if (handler.events() == 0) throw std::runtime_error(path + " is no trace: it has no event");
  trace.complete = trace.complete && whole_file;
  const auto by_worker = [](const TraceData::Task& a, const TraceData::Task& b) {
    return a.worker != b.worker ? a.worker < b.worker : a.begin < b.begin;
  };
  std::stable_sort(trace.tasks.begin(), trace.tasks.end(), by_worker);
  std::stable_sort(trace.parts.begin(), trace.parts.end(), by_worker);
  std::stable_sort(trace.memory.begin(), trace.memory.end(), [](const auto& a, const auto& b) {
    return a.worker != b.worker ? a.worker < b.worker : a.when < b.when;
  });
  return trace;
}

}  // namespace rankpool::tools
