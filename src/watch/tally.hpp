#pragma once

#include "watch/event.hpp"

#include <rankpool/insights.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// How many tasks took how long: eight boxes for each doubling, so that a quantile is right to 5 %.
class Lengths {
 public:
  void add(std::uint64_t nanoseconds, std::uint64_t count) noexcept { boxes_[box_of(nanoseconds)] += count; }
  [[nodiscard]] std::uint64_t total() const noexcept;
  /// The length below which this part of them lies.
  [[nodiscard]] std::uint64_t quantile(double part) const noexcept;

  static constexpr std::size_t kBoxes = 8 * 62;
  [[nodiscard]] static std::size_t box_of(std::uint64_t nanoseconds) noexcept;
  [[nodiscard]] static std::uint64_t begin_of(std::size_t box) noexcept;
  [[nodiscard]] const std::array<std::uint64_t, kBoxes>& boxes() const noexcept { return boxes_; }

 private:
  std::array<std::uint64_t, kBoxes> boxes_{};
};

/// What insights are made of, for one pool: always kept, by the engine thread, and so cheap that it does not show.
/// A value: a copy is a picture of the moment.
class Tally {
 public:
  struct Worker {
    std::uint32_t id = 0;
    std::int32_t rank = 0;
    std::string host;
    std::int64_t pid = 0;
    Time started = 0;
    Time ended = 0;  ///< 0: alive
    std::uint64_t busy = 0;
    std::uint64_t done = 0;    ///< tasks
    std::uint32_t chunks = 0;  ///< that it holds
    Time at_work_since = 0;    ///< on the first of these
    Time last_end = 0;
    // Of its current chunk, what is known item by item.
    std::uint64_t apart_items = 0;
    std::uint64_t apart_time = 0;
    /// What it was given to do: from which chunk on which task. A few, the latest last.
    std::vector<std::pair<std::uint64_t, std::string>> tasks;
  };
  struct Long {
    std::uint64_t time = 0;
    std::uint64_t item = 0;
    std::uint32_t worker = 0;
    std::string task;  ///< its name, or what `Namer` names it by
  };
  using Namer = std::function<std::string(std::string_view)>;

  void opened(Time when) noexcept { opened_ = when; }
  void ended(Time when) noexcept { ended_ = when; }
  /// Workers stay where they are. Those that are there before the first task are so from the beginning: that they had to
  /// start is idle time.
  Worker& worker_started(std::uint32_t id, std::int32_t rank, std::string host, Time when);
  void worker_ended(Worker& worker, Time when) noexcept;

  void submitted(std::uint64_t items) noexcept { submitted_ += items; }
  /// `task` is what `Namer` names the task by.
  void sent(Worker& worker, std::uint64_t chunk, std::string_view task, std::uint64_t bytes, Time when) {
    bytes_in_ += bytes;
    any_sent_ = true;
    if (worker.chunks++ == 0) worker.at_work_since = when;
    if (worker.tasks.empty() || worker.tasks.back().second != task) note_task(worker, chunk, task);
  }
  /// Items of the worker's current chunk have ended with an outcome.
  void outcome(Outcome outcome, std::uint64_t count, std::uint64_t bytes) noexcept {
    (outcome == Outcome::done ? done_ : failed_) += count;
    bytes_out_ += bytes;
  }
  /// An item of its current chunk took so long, by the worker's word.
  void took(Worker& worker, std::uint64_t chunk, std::uint64_t item, std::uint64_t time) {
    ++worker.apart_items;
    worker.apart_time += time;
    lengths_.add(time, 1);
    if (time > worth_noting_) note_length(worker, chunk, item, time);
  }
  /// It was through with a chunk of so many items from `first` on.
  void chunk_done(Worker& worker, std::uint64_t chunk, std::uint64_t first, std::uint64_t items, std::uint64_t busy,
                  Time when) {
    worker.busy += busy;
    worker.done += items;
    worker.last_end = worker.at_work_since = when;
    if (worker.chunks != 0) --worker.chunks;
    if (worker.apart_items != 0) {
      items -= std::min(items, worker.apart_items);
      busy -= std::min(busy, worker.apart_time);
      worker.apart_items = worker.apart_time = 0;
    }
    if (items == 0) return;
    const std::uint64_t each = items == 1 ? busy : busy / items;
    lengths_.add(each, items);
    if (each > worth_noting_) note_length(worker, chunk, first, each);
  }
  /// Its current chunk ended with it, or because of a time limit.
  void broke_off(Worker& worker, Time when) noexcept {
    if (when > worker.at_work_since) worker.busy += static_cast<std::uint64_t>(when - worker.at_work_since);
    worker.last_end = worker.at_work_since = when;
    if (worker.chunks != 0) --worker.chunks;
  }
  void failed(Outcome outcome, std::uint64_t count) noexcept {
    (outcome == Outcome::timed_out ? failed_ : lost_) += count;
  }
  void cancelled(std::uint64_t count) noexcept { cancelled_ += count; }
  void retried() noexcept { ++retried_; }

  /// `name` names what `took` was given.
  [[nodiscard]] Insights insights(Time now, const Namer& name) const;
  [[nodiscard]] const Lengths& lengths() const noexcept { return lengths_; }

 private:
  static constexpr std::size_t kLongest = 10;
  static constexpr std::size_t kTasksKept = 16;

  static void note_task(Worker& worker, std::uint64_t chunk, std::string_view task);
  void note_length(const Worker& worker, std::uint64_t chunk, std::uint64_t item, std::uint64_t time);

  Time opened_ = 0;
  Time ended_ = 0;
  bool any_sent_ = false;
  std::uint64_t submitted_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t cancelled_ = 0;
  std::uint64_t retried_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t worth_noting_ = 0;  ///< the shortest of the longest
  Lengths lengths_;
  std::map<std::uint32_t, Worker> workers_;
  std::vector<Long> longest_;  ///< the longest first
};

/// What is wrong, and what to do about it. `last_ends`: when each worker ended its last task, in the order of
/// `insights.workers`, before the end.
[[nodiscard]] std::vector<std::string> advice_for(const Insights& insights,
                                                  const std::vector<std::chrono::nanoseconds>& idle_at_the_end);

}  // namespace rankpool::watch
