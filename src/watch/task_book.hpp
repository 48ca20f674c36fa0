#pragma once

#include "watch/clock_alignment.hpp"
#include "watch/event.hpp"
#include "watch/names.hpp"

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// Puts the events together again: which worker ran which item from when to when. Pure; one thread.
///
///     chunk_sent ─► items_ended (outcomes) ─► item_times (of the same items, a little later) ─► chunk_done
///
/// Without times of the worker's own (it died, or nobody asked for them) a run's times are what rank 0 saw.
class TaskBook {
 public:
  struct Worker {
    std::uint32_t id = 0;
    std::int32_t rank = -1;
    std::int64_t pid = 0;
    std::uint64_t pool = 0;
    bool alive = false;
    Time started = 0;
  };
  struct RankEntry {
    std::string host;
    bool own_clock = true;  ///< its clock is rank 0's
    bool alive = true;
    ClockAlignment clock;
  };
  struct Work {
    std::uint64_t pool = 0;
    const std::string* name = nullptr;  ///< once known
    std::optional<std::string> progress;
    std::uint64_t task = 0;  ///< number of its code reference and callable in Names
  };
  /// Names the task whose code reference and callable these bytes are.
  using Namer = std::function<std::string(std::span<const std::byte>)>;
  using Emit = std::function<void(const TaskRun&)>;

  TaskBook(Names& names, Namer namer) : names_(names), namer_(std::move(namer)) {}

  /// Takes in one event; `emit` gets the runs that are complete with it.
  void take(const Event& event, std::span<const std::uint64_t> words, const Emit& emit);

  [[nodiscard]] const std::map<std::int32_t, RankEntry>& ranks() const noexcept { return ranks_; }
  [[nodiscard]] const Worker* worker(std::uint32_t id) const;
  /// Null once it has ended.
  [[nodiscard]] const Work* work(std::uint64_t id) const;
  /// Looks the task's name up when it is first asked for. Equal names are the same object.
  [[nodiscard]] const std::string& name_of(std::uint64_t work);
  /// Items that wait for a worker.
  [[nodiscard]] std::uint64_t waiting() const noexcept { return waiting_; }
  /// Workers that have something to do.
  [[nodiscard]] std::uint64_t busy() const noexcept { return busy_; }
  /// Events that are missing, because they came faster than they could be read.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  void set_dropped(std::uint64_t events) noexcept { dropped_ = events; }

 private:
  struct Outcomes {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    Outcome outcome{};
  };
  struct Chunk {
    std::uint64_t id = 0;
    std::uint64_t work = 0;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    Time sent = 0;
    Time began = 0;                  ///< by the worker's word, once known
    std::uint64_t ended = 0;         ///< items with an outcome
    std::uint64_t emitted = 0;       ///< of these, from the front
    std::vector<Outcomes> outcomes;  ///< not yet emitted
  };
  struct Holder {
    Worker worker;
    std::deque<Chunk> chunks;  ///< the first is the one it works on
    Time last_end = 0;         ///< of its last run, on rank 0's clock
  };

  void ended(Holder& holder, const Event& event, const Emit& emit);
  void times(Holder& holder, const Event& event, std::span<const std::uint64_t> words, const Emit& emit);
  void chunk_done(Holder& holder, const Event& event, const Emit& emit);
  void failed(const Event& event, const Emit& emit);
  void emit_run(Holder& holder, Chunk& chunk, Time begin, Time end, bool estimated, const Emit& emit);
  void emit_estimated(Holder& holder, Chunk& chunk, Time end, const Emit& emit);
  void gone(std::uint32_t worker, bool lost, Time when, const Emit& emit);
  void submitted(const Event& event);
  [[nodiscard]] Work* work_or_ended(std::uint64_t id);
  void not_waiting(std::uint64_t items) { waiting_ -= items < waiting_ ? items : waiting_; }
  [[nodiscard]] std::uint32_t attempt(std::uint64_t work, std::uint64_t item) const;
  [[nodiscard]] Time to_rank_zero(const Holder& holder, std::uint64_t clock) const;

  Names& names_;
  Namer namer_;
  std::map<std::int32_t, RankEntry> ranks_;
  std::unordered_map<std::uint32_t, Holder> workers_;
  std::unordered_map<std::uint64_t, Work> works_;
  std::deque<std::pair<std::uint64_t, Work>> ended_;  ///< the last that did: times of their last items come later
  std::unordered_map<std::uint64_t, const std::string*> known_names_;  ///< by task
  std::set<std::string> all_names_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> retries_;
  std::deque<std::uint32_t> gone_;  ///< the last workers that ended, which may still be told what they took along
  std::uint64_t waiting_ = 0;
  std::uint64_t busy_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace rankpool::watch
