#include "engine/task_recorder.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace rankpool::engine {
namespace {

using watch::Event;
using watch::What;

/// Callables with more data of their own than this are shown without their name.
constexpr std::size_t kLongestHead = 4096;

watch::Outcome outcome_of(ItemsEnded::How how) {
  switch (how) {
    case ItemsEnded::How::error:
      return watch::Outcome::error;
    case ItemsEnded::How::skipped:
      return watch::Outcome::skipped;
    default:
      return watch::Outcome::done;
  }
}

std::uint8_t number(watch::Outcome outcome) { return static_cast<std::uint8_t>(outcome); }

/// With the time, and with those numbers that a task event and an event of the ring both have. A pool stands where
/// works do: no event is about both but WorkSubmitted.
template <class E>
Event event_of(What what, const E& event) noexcept {
  Event e;
  e.what = what;
  e.when = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  if constexpr (requires { event.worker; }) e.worker = raw(event.worker);
  if constexpr (requires { event.pool; }) e.work = raw(event.pool);
  if constexpr (requires { event.work; }) e.work = raw(event.work);
  if constexpr (requires { event.chunk; }) e.chunk = raw(event.chunk);
  if constexpr (requires { event.first; }) e.first = event.first;
  if constexpr (requires { event.count; }) e.count = event.count;
  if constexpr (requires { event.bytes; }) e.value = event.bytes;
  return e;
}

}  // namespace

watch::Outcome outcome_of(schedule::Reason reason) {
  switch (reason) {
    case schedule::Reason::worker_lost:
      return watch::Outcome::lost;
    case schedule::Reason::task_timeout:
      return watch::Outcome::timed_out;
    case schedule::Reason::forced_stop:
      return watch::Outcome::terminated;
    default:
      return watch::Outcome::broken;
  }
}

std::size_t size_of(const detail::Gather& gathered) noexcept {
  std::size_t size = 0;
  for (const auto& part : gathered) size += part.size();
  return size;
}

std::span<const std::byte> head_of(const detail::Gather& gathered, std::size_t size) noexcept {
  if (gathered.empty()) return {};
  return gathered.front().first(std::min(gathered.front().size(), size));
}

std::string_view text_of(std::span<const std::byte> head) noexcept {
  constexpr std::size_t longest = 256;
  return {reinterpret_cast<const char*>(head.data()), head.size() <= longest ? head.size() : 0};
}

void TaskRecorder::tell(const TaskEvent& event) noexcept {
  try {
    std::visit([this](const auto& one) { record(one); }, event);
  } catch (...) {
    base::log_error("out of memory: an event is not watched");
  }
}

void TaskRecorder::record(const PoolOpened& event) {
  Event e = event_of(What::pool_opened, event);
  e.count = static_cast<std::uint64_t>(event.max_workers);
  ring_.append(e);
}
void TaskRecorder::record(const PoolBroken& event) { ring_.append(event_of(What::pool_broken, event)); }
void TaskRecorder::record(const PoolEnded& event) { ring_.append(event_of(What::pool_ended, event)); }

void TaskRecorder::record(const WorkSubmitted& event) {
  Event e = event_of(What::work_submitted, event);
  e.chunk = raw(event.pool);
  e.count = event.items;
  e.detail = event.open ? 1 : 0;
  if (event.label != nullptr) e.value = names_.add_note({event.label->name, event.label->progress});
  ring_.append(e);
}
void TaskRecorder::record(const WorkExtended& event) {
  Event e = event_of(What::work_extended, event);
  e.count = event.more;
  ring_.append(e);
}
void TaskRecorder::record(const WorkSealed& event) { ring_.append(event_of(What::work_sealed, event)); }
void TaskRecorder::record(const WorkEnded& event) { ring_.append(event_of(What::work_ended, event)); }

void TaskRecorder::record(const ChunkSent& event) {
  const Event e = event_of(What::chunk_sent, event);
  if (event.first == 0 && event.head.size() <= kLongestHead) {
    Event task = e;
    task.what = What::work_task;
    task.value = names_.add_head(event.head);
    ring_.append(task);
  }
  ring_.append(e);
}
void TaskRecorder::record(const ItemsEnded& event) {
  Event e = event_of(What::items_ended, event);
  e.detail = number(outcome_of(event.how));
  ring_.append(e);
}
void TaskRecorder::record(const ItemTimes& event) {
  Event e = event_of(What::item_times, event);
  // In parts that the ring surely takes; each begins where the one before ended.
  constexpr std::size_t part = 4096;
  std::array<std::uint64_t, part + 1> words;
  for (std::size_t done = 0; done < event.count;) {
    const std::size_t count = std::min<std::size_t>(event.count - done, part);
    std::memcpy(words.data(), event.times.data() + done * sizeof(std::uint64_t), (count + 1) * sizeof(std::uint64_t));
    e.first = event.first + done;
    e.count = count;
    ring_.append(e, std::span(words).first(count + 1));
    done += count;
  }
}

void TaskRecorder::record(const WorkerMemory& event) {
  Event e = event_of(What::worker_memory, event);
  e.value = event.resident;
  e.first = event.peak;
  ring_.append(e);
}

void TaskRecorder::record(const ChunkDone& event) {
  Event e = event_of(What::chunk_done, event);
  e.value = static_cast<std::uint64_t>(event.busy.count());
  ring_.append(e);
}

void TaskRecorder::record(const ItemRetried& event) {
  Event e = event_of(What::item_retried, event);
  e.first = event.item;
  e.count = 1;
  ring_.append(e);
}
void TaskRecorder::record(const ItemsFailed& event) {
  Event e = event_of(What::items_failed, event);
  e.detail = number(outcome_of(event.reason));
  ring_.append(e);
}
void TaskRecorder::record(const ItemsCancelled& event) { ring_.append(event_of(What::items_cancelled, event)); }

void TaskRecorder::record(const WorkerStarted& event) {
  Event e = event_of(What::worker_started, event);
  e.value = static_cast<std::uint64_t>(raw(event.rank));
  ring_.append(e);
}
void TaskRecorder::record(const WorkerReady& event) {
  Event e = event_of(What::worker_ready, event);
  e.value = static_cast<std::uint64_t>(event.pid);
  ring_.append(e);
}
void TaskRecorder::record(const WorkerGone& event) {
  Event e = event_of(What::worker_gone, event);
  e.detail = event.lost ? 1 : 0;
  ring_.append(e);
}

void TaskRecorder::record(const RankBegan& event) {
  Event e = event_of(What::group_rank_began, event);
  e.first = event.item;
  e.count = event.rank;
  ring_.append(e);
}
void TaskRecorder::record(const RankEnded& event) { ring_.append(event_of(What::group_rank_ended, event)); }

void TaskRecorder::record(const RankJoined& event) {
  Event e = event_of(What::rank_joined, event);
  e.worker = static_cast<std::uint32_t>(raw(event.rank));
  e.value = names_.add_host(event.host);
  e.first = event.host == host_ ? 1 : 0;
  ring_.append(e);
}
void TaskRecorder::record(const RankLost& event) {
  Event e = event_of(What::rank_lost, event);
  e.worker = static_cast<std::uint32_t>(raw(event.rank));
  ring_.append(e);
}

}  // namespace rankpool::engine
