#include "watch/task_book.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rankpool::watch {
namespace {

/// What a lost worker took along is told right after its end: so many ends are remembered.
constexpr std::size_t kKeptGone = 256;
/// A work may end before its last items' times are told, of a task of several ranks always: so many have a name still.
constexpr std::size_t kKeptEnded = 64;

}  // namespace

const TaskBook::Worker* TaskBook::worker(std::uint32_t id) const {
  const auto found = workers_.find(id);
  return found == workers_.end() ? nullptr : &found->second.worker;
}

const TaskBook::Work* TaskBook::work(std::uint64_t id) const {
  const auto found = works_.find(id);
  return found == works_.end() ? nullptr : &found->second;
}

TaskBook::Work* TaskBook::work_or_ended(std::uint64_t id) {
  if (const auto found = works_.find(id); found != works_.end()) return &found->second;
  const auto ended = std::find_if(ended_.rbegin(), ended_.rend(), [&](const auto& one) { return one.first == id; });
  return ended == ended_.rend() ? nullptr : &ended->second;
}

const std::string& TaskBook::name_of(std::uint64_t id) {
  static const std::string unknown = "task";
  Work* const found = work_or_ended(id);
  if (found == nullptr) return unknown;
  Work& work = *found;
  if (work.name != nullptr) return *work.name;
  if (work.task == 0) return unknown;
  const std::string*& known = known_names_[work.task];
  if (known == nullptr) {
    const std::string head = names_.head(work.task);
    const std::string name = namer_ ? namer_(std::as_bytes(std::span(head))) : std::string();
    known = name.empty() ? &unknown : &*all_names_.insert(name).first;
  }
  return *(work.name = known);
}

void TaskBook::submitted(const Event& event) {
  Work& work = works_[event.work];
  work.pool = event.chunk;
  if (event.value != 0) {
    WorkNote note = names_.take_note(event.value);
    if (!note.name.empty()) work.name = &*all_names_.insert(std::move(note.name)).first;
    work.progress = std::move(note.progress);
  }
  waiting_ += event.count;
}

void TaskBook::take(const Event& event, std::span<const std::uint64_t> words, const Emit& emit) {
  const auto holder = [&]() -> Holder* {
    const auto found = workers_.find(event.worker);
    return found == workers_.end() ? nullptr : &found->second;
  };
  switch (event.what) {
    case What::rank_joined: {
      RankEntry& rank = ranks_[static_cast<std::int32_t>(event.worker)];
      rank.host = names_.host(event.value);
      rank.own_clock = event.first != 0;
      break;
    }
    case What::rank_lost: {
      const auto rank = static_cast<std::int32_t>(event.worker);
      if (const auto found = ranks_.find(rank); found != ranks_.end()) found->second.alive = false;
      std::vector<std::uint32_t> with_it;
      for (const auto& [id, one] : workers_) {
        if (one.worker.rank == rank && one.worker.alive) with_it.push_back(id);
      }
      for (const std::uint32_t id : with_it) gone(id, true, event.when, emit);
      break;
    }
    case What::worker_started: {
      Holder& one = workers_[event.worker];
      one.worker = {event.worker, static_cast<std::int32_t>(event.value), 0, event.work, true, event.when};
      one.last_end = event.when;
      break;
    }
    case What::worker_ready:
      if (Holder* const one = holder()) {
        one->worker.pid = static_cast<std::int64_t>(event.value);
        if (one->chunks.empty()) one->last_end = event.when;
      }
      break;
    case What::worker_gone:
      gone(event.worker, event.detail != 0, event.when, emit);
      break;
    case What::work_submitted:
      submitted(event);
      break;
    case What::work_task:
      if (const auto found = works_.find(event.work); found != works_.end()) found->second.task = event.value;
      break;
    case What::work_extended:
      waiting_ += event.count;
      break;
    case What::work_ended:
      if (auto ended = works_.extract(event.work)) {
        ended_.emplace_back(event.work, std::move(ended.mapped()));
        if (ended_.size() > kKeptEnded) ended_.pop_front();
      }
      retries_.erase(retries_.lower_bound({event.work, 0}), retries_.upper_bound({event.work, UINT64_MAX}));
      break;
    case What::chunk_sent:
      if (Holder* const one = holder()) {
        if (one->chunks.empty()) ++busy_;
        one->chunks.push_back(
            {event.chunk, event.work, event.first, event.count, event.value, event.when, 0, 0, 0, {}});
        not_waiting(event.count);
      }
      break;
    case What::items_ended:
      if (Holder* const one = holder()) ended(*one, event, emit);
      break;
    case What::item_times:
      if (Holder* const one = holder()) times(*one, event, words, emit);
      break;
    case What::chunk_done:
      if (Holder* const one = holder()) chunk_done(*one, event, emit);
      break;
    case What::item_retried:
      failed(event, emit);
      ++retries_[{event.work, event.first}];
      ++waiting_;
      break;
    case What::items_failed:
      failed(event, emit);
      break;
    case What::items_cancelled:
      not_waiting(event.count);
      break;
    default:
      break;
  }
}

std::uint32_t TaskBook::attempt(std::uint64_t work, std::uint64_t item) const {
  if (retries_.empty()) return 1;
  const auto found = retries_.find({work, item});
  return found == retries_.end() ? 1 : found->second + 1;
}

Time TaskBook::to_rank_zero(const Holder& holder, std::uint64_t clock) const {
  const auto rank = ranks_.find(holder.worker.rank);
  const Time offset = rank == ranks_.end() || rank->second.own_clock ? 0 : rank->second.clock.offset();
  return static_cast<Time>(clock - static_cast<std::uint64_t>(offset));
}

void TaskBook::emit_run(Holder& holder, Chunk& chunk, Time begin, Time end, bool estimated, const Emit& emit) {
  Outcomes& outcome = chunk.outcomes.front();
  TaskRun run;
  run.work = chunk.work;
  run.item = chunk.first + chunk.emitted;
  run.worker = holder.worker.id;
  run.attempt = attempt(run.work, run.item);
  // Events of a thread must nest: they do not overlap, whatever the clocks say.
  run.begin = std::max(begin, holder.last_end);
  run.end = std::max(end, run.begin);
  run.bytes_in = chunk.count == 0 ? 0 : chunk.bytes / chunk.count;
  run.bytes_out = outcome.bytes / outcome.count;
  run.outcome = outcome.outcome;
  run.estimated = estimated;
  holder.last_end = run.end;
  outcome.bytes -= run.bytes_out;
  ++outcome.first;
  if (--outcome.count == 0) chunk.outcomes.erase(chunk.outcomes.begin());
  ++chunk.emitted;
  if (run.outcome != Outcome::skipped) emit(run);
}

void TaskBook::emit_estimated(Holder& holder, Chunk& chunk, Time end, const Emit& emit) {
  const std::uint64_t items = chunk.ended - chunk.emitted;
  if (items == 0) return;
  const Time begin = std::max(holder.last_end, chunk.sent);
  const Time each = std::max<Time>(end - begin, 0) / static_cast<Time>(items);
  for (std::uint64_t i = 0; i < items; ++i) {
    const Time at = begin + each * static_cast<Time>(i);
    emit_run(holder, chunk, at, at + each, true, emit);
  }
}

void TaskBook::ended(Holder& holder, const Event& event, const Emit&) {
  if (holder.chunks.empty() || holder.chunks.front().id != event.chunk || event.count == 0) return;
  Chunk& chunk = holder.chunks.front();
  if (event.count > chunk.count - chunk.ended) return;
  const auto outcome = static_cast<Outcome>(event.detail);
  chunk.ended += event.count;
  if (!chunk.outcomes.empty() && chunk.outcomes.back().outcome == outcome && outcome == Outcome::done) {
    Outcomes& last = chunk.outcomes.back();
    if (last.bytes * event.count == event.value * last.count) {
      last.count += event.count;
      last.bytes += event.value;
      return;
    }
  }
  chunk.outcomes.push_back({event.first, event.count, event.value, outcome});
}

void TaskBook::times(Holder& holder, const Event& event, std::span<const std::uint64_t> words, const Emit& emit) {
  if (holder.chunks.empty() || holder.chunks.front().id != event.chunk || words.size() < 2) return;
  Chunk& chunk = holder.chunks.front();
  const auto rank = ranks_.find(holder.worker.rank);
  if (chunk.began == 0) {
    chunk.began = static_cast<Time>(words.front());
    constexpr std::uint64_t centuries = std::uint64_t{1} << 62U;  // what is beyond is no clock
    if (rank != ranks_.end() && words.front() < centuries && words.back() < centuries) {
      rank->second.clock.saw(chunk.sent, chunk.began, static_cast<Time>(words.back()), event.when);
    }
  }
  Time begin = std::clamp<Time>(to_rank_zero(holder, words.front()), 0, event.when);
  for (const std::uint64_t word : words.subspan(1)) {
    if (chunk.emitted == chunk.ended) return;
    // It ended before it was told: nothing on the wire is trusted beyond that.
    const Time end = std::clamp<Time>(to_rank_zero(holder, word), 0, event.when);
    emit_run(holder, chunk, begin, end, false, emit);
    begin = end;
  }
}

void TaskBook::chunk_done(Holder& holder, const Event& event, const Emit& emit) {
  if (holder.chunks.empty() || holder.chunks.front().id != event.chunk) return;
  Chunk& chunk = holder.chunks.front();
  // Nobody asked for times: the worker's own reckoning of the whole chunk.
  if (chunk.emitted == 0 && chunk.ended > 0) {
    holder.last_end = std::max(holder.last_end, event.when - static_cast<Time>(event.value));
  }
  emit_estimated(holder, chunk, event.when, emit);
  holder.chunks.pop_front();
  if (holder.chunks.empty()) --busy_;
}

void TaskBook::failed(const Event& event, const Emit& emit) {
  const Outcome outcome = event.what == What::item_retried ? Outcome::lost : static_cast<Outcome>(event.detail);
  const std::uint64_t count = event.what == What::item_retried ? 1 : event.count;
  std::uint64_t running = 0;
  const auto look_at = [&](Holder& holder) {
    if (holder.chunks.empty()) return;
    Chunk& chunk = holder.chunks.front();
    const std::uint64_t item = chunk.first + chunk.ended;
    if (chunk.work != event.work || chunk.ended == chunk.count || item < event.first || item - event.first >= count) {
      return;
    }
    emit_estimated(holder, chunk, std::max(holder.last_end, chunk.sent), emit);
    ++running;
    chunk.outcomes.push_back({item - chunk.first, 1, 0, outcome});
    ++chunk.ended;
    emit_run(holder, chunk, std::max(holder.last_end, chunk.sent), event.when, true, emit);
  };
  for (const std::uint32_t id : gone_) {
    if (const auto found = workers_.find(id); found != workers_.end()) look_at(found->second);
  }
  if (running == 0 || count > 1) {
    for (auto& [id, holder] : workers_) {
      if (holder.worker.alive) look_at(holder);
    }
  }
  if (event.what == What::items_failed && count != UINT64_MAX && count > running) not_waiting(count - running);
  if (count > UINT64_MAX - event.first - 1) waiting_ = 0;
}

void TaskBook::gone(std::uint32_t id, bool lost, Time when, const Emit& emit) {
  const auto found = workers_.find(id);
  if (found == workers_.end() || !found->second.worker.alive) return;
  Holder& holder = found->second;
  holder.worker.alive = false;
  if (!holder.chunks.empty()) {
    --busy_;
    Chunk& chunk = holder.chunks.front();
    // What it had finished but not told the times of ended somewhere before it died itself.
    const Time known = std::max(holder.last_end, chunk.sent);
    const bool runs_one = lost && chunk.ended < chunk.count;
    emit_estimated(holder, chunk, runs_one ? known + (when - known) / 2 : when, emit);
    for (std::size_t i = 0; i < holder.chunks.size(); ++i) waiting_ += holder.chunks[i].count - holder.chunks[i].ended;
    if (lost && chunk.ended < chunk.count) not_waiting(1);
  }
  gone_.push_back(id);
  if (gone_.size() > kKeptGone) {
    workers_.erase(gone_.front());
    gone_.pop_front();
  }
}

}  // namespace rankpool::watch
