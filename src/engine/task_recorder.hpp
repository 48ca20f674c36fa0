#pragma once

#include "engine/task_events.hpp"
#include "watch/event_ring.hpp"
#include "watch/names.hpp"

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace rankpool::engine {

/// What the reason of a failed item is called where it is shown.
[[nodiscard]] watch::Outcome outcome_of(schedule::Reason reason);

/// How many bytes a receiver has gathered.
[[nodiscard]] std::size_t size_of(const detail::Gather& gathered) noexcept;
/// Code reference and callable, which stand before the items that a receiver has gathered.
[[nodiscard]] std::span<const std::byte> head_of(const detail::Gather& gathered, std::size_t size) noexcept;
/// By what the tally names a task whose user gave no name (client/pool_client.cpp). Callables with much data of their
/// own have none.
[[nodiscard]] std::string_view text_of(std::span<const std::byte> head) noexcept;

/// Stores task events in the observer's ring, with the time. Engine thread, or who stands in for it.
class TaskRecorder final : public TaskEvents {
 public:
  /// Ring and names outlive this. `host` is this process's; `times`: somebody wants to know when each item began and
  /// ended, and how much memory workers have.
  TaskRecorder(watch::EventRing& ring, watch::Names& names, std::string host, bool times)
      : ring_(ring), names_(names), host_(std::move(host)), times_(times) {}

  void tell(const TaskEvent& event) noexcept override;
  [[nodiscard]] bool wants_times() const noexcept override { return times_; }

 private:
  void record(const PoolOpened& event);
  void record(const PoolBroken& event);
  void record(const PoolEnded& event);
  void record(const WorkSubmitted& event);
  void record(const WorkExtended& event);
  void record(const WorkSealed& event);
  void record(const WorkEnded& event);
  void record(const ChunkSent& event);
  void record(const ItemBegan&) {}
  void record(const ItemsEnded& event);
  void record(const ItemTimes& event);
  void record(const WorkerMemory& event);
  void record(const ChunkDone& event);
  void record(const ItemRetried& event);
  void record(const ItemsFailed& event);
  void record(const ItemsCancelled& event);
  void record(const WorkerStarted& event);
  void record(const WorkerReady& event);
  void record(const WorkerGone& event);
  void record(const RankBegan& event);
  void record(const RankEnded& event);
  void record(const RankJoined& event);
  void record(const RankLost& event);

  watch::EventRing& ring_;
  watch::Names& names_;
  const std::string host_;
  const bool times_;
};

}  // namespace rankpool::engine
