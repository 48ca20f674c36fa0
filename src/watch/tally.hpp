#pragma once

#include "watch/event.hpp"

#include <rankpool/insights.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace rankpool::watch {

/// How many tasks took how long: eight boxes for each doubling, so that a quantile is right to 5 %.
class Lengths {
 public:
  void add(std::uint64_t nanoseconds, std::uint64_t count) noexcept { boxes_[box_of(nanoseconds)] += count; }
  void remove(std::uint64_t nanoseconds, std::uint64_t count) noexcept {
    std::uint64_t& box = boxes_[box_of(nanoseconds)];
    box -= count < box ? count : box;
  }
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
    std::uint64_t tasks = 0;
    std::uint32_t chunks = 0;  ///< that it holds
    Time at_work_since = 0;    ///< on the first of these
    Time last_end = 0;
  };
  struct Long {
    std::uint64_t time = 0;
    std::uint64_t item = 0;
    std::uint32_t worker = 0;
    std::string task;  ///< its name, or what `Namer` names it by
  };
  using Namer = std::function<std::string(std::span<const std::byte>)>;

  void opened(Time when) noexcept { opened_ = when; }
  void ended(Time when) noexcept { ended_ = when; }
  /// Workers stay where they are.
  Worker& worker_started(std::uint32_t id, std::int32_t rank, std::string host, Time when);
  void worker_ended(Worker& worker, Time when) noexcept;

  void submitted(std::uint64_t items) noexcept { submitted_ += items; }
  void sent(Worker& worker, std::uint64_t bytes, Time when) noexcept {
    bytes_in_ += bytes;
    if (worker.chunks++ == 0) worker.at_work_since = when;
  }
  /// Items of the worker's current chunk have ended with an outcome.
  void outcome(Outcome outcome, std::uint64_t count, std::uint64_t bytes) noexcept {
    (outcome == Outcome::done ? done_ : failed_) += count;
    bytes_out_ += bytes;
  }
  /// It was through with a chunk of so many items. True if one of them may be among the longest: `took` is to follow.
  [[nodiscard]] bool chunk_done(Worker& worker, std::uint64_t items, std::uint64_t busy, Time when) noexcept {
    worker.busy += busy;
    worker.tasks += items;
    worker.last_end = when;
    worker.at_work_since = when;
    if (worker.chunks != 0) --worker.chunks;
    if (items == 0) return false;
    const std::uint64_t each = items == 1 ? busy : busy / items;
    lengths_.add(each, items);
    return each > worth_noting_;
  }
  void took(const Worker& worker, std::uint64_t item, std::uint64_t time, std::string task);
  /// Of the chunk that is being run, one item took so much longer than the others that it is told apart.
  [[nodiscard]] bool worth_noting(std::uint64_t time) const noexcept { return time > worth_noting_; }
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

  Time opened_ = 0;
  Time ended_ = 0;
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
