#include "watch/tally.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace rankpool::watch {

std::size_t Lengths::box_of(std::uint64_t nanoseconds) noexcept {
  if (nanoseconds < 8) return static_cast<std::size_t>(nanoseconds);
  const auto power = static_cast<unsigned>(std::bit_width(nanoseconds)) - 1;  // 3 at least
  const auto part = static_cast<std::size_t>((nanoseconds >> (power - 3)) & 7U);
  return std::min<std::size_t>(std::size_t{8} * (power - 2) + part, kBoxes - 1);
}

std::uint64_t Lengths::begin_of(std::size_t box) noexcept {
  if (box < 8) return box;
  const std::size_t power = box / 8 + 2;
  return (std::uint64_t{8} + box % 8) << (power - 3);
}

std::uint64_t Lengths::total() const noexcept {
  std::uint64_t sum = 0;
  for (const std::uint64_t box : boxes_) sum += box;
  return sum;
}

std::uint64_t Lengths::quantile(double part) const noexcept {
  const std::uint64_t all = total();
  if (all == 0) return 0;
  const double wanted = part * static_cast<double>(all);
  double before = 0;
  for (std::size_t box = 0; box < kBoxes; ++box) {
    const auto here = static_cast<double>(boxes_[box]);
    if (here > 0 && before + here >= wanted) {
      const auto begin = static_cast<double>(begin_of(box));
      const auto end = static_cast<double>(begin_of(box + 1));
      return static_cast<std::uint64_t>(begin + (end - begin) * std::clamp((wanted - before) / here, 0.0, 1.0));
    }
    before += here;
  }
  return begin_of(kBoxes - 1);
}

Tally::Worker& Tally::worker_started(std::uint32_t id, std::int32_t rank, std::string host, Time when) {
  Worker& worker = workers_[id];
  worker.id = id;
  worker.rank = rank;
  worker.host = std::move(host);
  worker.started = worker.last_end = any_sent_ ? when : std::min(when, opened_);
  return worker;
}

void Tally::worker_ended(Worker& worker, Time when) noexcept {
  // What it was at is lost, but the time went into it.
  if (worker.chunks != 0) broke_off(worker, when);
  worker.chunks = 0;
  worker.ended = when;
}

void Tally::note_task(Worker& worker, std::uint64_t chunk, std::string_view task) {
  worker.tasks.emplace_back(chunk, task);
  if (worker.tasks.size() > kTasksKept) worker.tasks.erase(worker.tasks.begin());
}

void Tally::note_length(const Worker& worker, std::uint64_t chunk, std::uint64_t item, std::uint64_t time) {
  std::string task;
  for (const auto& [from, what] : worker.tasks) {
    if (from <= chunk) task = what;
  }
  const auto place = std::upper_bound(longest_.begin(), longest_.end(), time,
                                      [](std::uint64_t t, const Long& other) { return t > other.time; });
  longest_.insert(place, Long{time, item, worker.id, std::move(task)});
  if (longest_.size() > kLongest) longest_.pop_back();
  if (longest_.size() == kLongest) worth_noting_ = longest_.back().time;
}

Insights Tally::insights(Time now, const Namer& name) const {
  using std::chrono::nanoseconds;
  Insights all;
  const Time until = ended_ != 0 ? ended_ : now;
  all.done = done_;
  all.failed = failed_;
  all.lost = lost_;
  all.cancelled = cancelled_;
  all.retried = retried_;
  all.unfinished = submitted_ - std::min(submitted_, done_ + failed_ + lost_ + cancelled_);
  // What was still to be read of an endless input when its pool ended.
  if (ended_ != 0) all.cancelled += std::exchange(all.unfinished, 0);
  all.wall = nanoseconds(std::max<Time>(until - opened_, 0));
  all.bytes_in = bytes_in_;
  all.bytes_out = bytes_out_;
  std::uint64_t finished_time = 0;
  std::uint64_t tasks = 0;
  std::uint64_t busy_of_all = 0;
  std::uint64_t life_of_all = 0;
  std::vector<nanoseconds> idle_at_the_end;
  for (const auto& [id, worker] : workers_) {
    const Time end = worker.ended != 0 ? worker.ended : until;
    const auto life = static_cast<std::uint64_t>(std::max<Time>(end - worker.started, 0));
    finished_time += worker.busy;
    tasks += worker.done;
    std::uint64_t busy = worker.busy;
    if (worker.chunks != 0 && end > worker.at_work_since)
      busy += static_cast<std::uint64_t>(end - worker.at_work_since);
    busy = std::min(busy, life);  // two clocks
    busy_of_all += busy;
    life_of_all += life;
    const bool idle = worker.chunks == 0;
    idle_at_the_end.emplace_back(idle ? std::max<Time>(end - worker.last_end, 0) : 0);
    all.workers.push_back({static_cast<int>(worker.id), worker.rank, worker.host, static_cast<pid_t>(worker.pid),
                           worker.done, nanoseconds(busy), nanoseconds(life - busy), worker.ended == 0});
  }
  if (tasks != 0) all.mean = nanoseconds(finished_time / tasks);
  all.median = nanoseconds(lengths_.quantile(0.5));
  if (life_of_all != 0) all.in_tasks = static_cast<double>(busy_of_all) / static_cast<double>(life_of_all);
  for (const Long& one : longest_) {
    all.longest.push_back(
        {name ? name(one.task) : one.task, one.item, nanoseconds(one.time), static_cast<int>(one.worker)});
  }
  all.advice = advice_for(all, idle_at_the_end);
  return all;
}

}  // namespace rankpool::watch
