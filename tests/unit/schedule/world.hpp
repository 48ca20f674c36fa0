#pragma once

#include "schedule/scheduler.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace rankpool::schedule::testing {

/// What may befall a world.
struct WorldOptions {
  std::uint32_t seed = 0;
  int ranks = 3;
  int pools = 2;
  int events = 300;
  Nanoseconds chunk_time{1'000};
  bool deaths = true;
  bool cancels = true;
};

/// A job of make-believe around a real scheduler: random programs, random deaths, and a book in which every item is
/// kept. Whatever the scheduler decides is compared with the book at once; the first contradiction is kept in `error`.
class World {
 public:
  explicit World(const WorldOptions& options);
  /// Plays `events` random events, then lets all workers finish and closes what is open.
  void run();

  std::optional<std::string> error;
  std::uint64_t items_run = 0;
  std::uint64_t items_failed = 0;
  std::uint64_t items_cancelled = 0;
  std::uint64_t items_retried = 0;
  std::uint64_t most_outstanding = 0;

 private:
  enum class State : std::uint8_t { waiting, handed_out, ended };
  struct Item {
    State state = State::waiting;
    bool seen = false;  ///< was handed out once
    int lost_inside = 0;
    std::vector<Rank> lost_on{};  ///< as often
  };
  struct Work {
    PoolId pool{};
    WorkSpec spec;
    std::deque<Item> items;
    std::uint64_t next = 0;
    bool open = false;
    bool no_end = false;
    bool ended = false;
  };
  struct Held {
    ChunkId id{};
    WorkId work{};
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t ended = 0;
  };
  enum class Life : std::uint8_t { starting, ready, stopping, killed };
  struct Process {
    PoolId pool{};
    Rank rank{};
    Life life = Life::starting;
    std::deque<Held> held;
    int given = 0;
    bool inside = false;
    Time began{0};
  };
  struct PoolBook {
    PoolPolicy policy;
    bool closed = false;
    bool broken = false;
    bool stopped = false;
    bool ended = false;
  };

  void random_event();
  void step_worker(WorkerId id);
  void finish();
  void release(const Process& worker);
  void note_loss(const Held& held, Rank rank);
  void end_worker(WorkerId id);
  void lose_rank(Rank rank);
  void submit();
  void carry_out();
  void check_rest();
  void wrong(const std::string& what);

  void execute(const SendChunk& action);
  void execute(const StartWorker& action);
  void execute(const StopWorker& action);
  void execute(const KillWorker& action);
  void execute(const RetryItem& action);
  void execute(const FailItems& action);
  void execute(const CancelItems& action);
  void execute(const WorkEnded& action);
  void execute(const PoolBroken& action);
  void execute(const PoolEnded& action);
  void execute(const StartGroup&) { wrong("a group that nobody asked for"); }
  void execute(const KillGroup&) { wrong("the end of a group that is not there"); }
  Work* ending(WorkId id, std::uint64_t first, std::uint64_t count);
  void end_range(Work& work, std::uint64_t first, std::uint64_t count);

  [[nodiscard]] std::uint32_t roll(std::uint32_t sides) { return static_cast<std::uint32_t>(random_() % sides); }
  [[nodiscard]] bool chance(std::uint32_t in) { return roll(in) == 0; }
  template <class Map>
  auto pick(Map& map) {
    auto at = map.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(roll(static_cast<std::uint32_t>(map.size()))));
    return at;
  }
  void tick(Nanoseconds by);

  WorldOptions options_;
  std::mt19937 random_;
  Scheduler scheduler_;
  Time now_{0};
  std::map<Rank, bool> ranks_;
  std::map<PoolId, PoolBook> pools_;
  std::map<WorkId, Work> works_;
  std::map<WorkerId, Process> processes_;
  std::uint64_t next_work_ = 0;
  std::uint32_t next_loss_ = 1;
  std::int64_t last_worker_ = -1;
  bool declined_ = false;  ///< what was decided with the present actions did not know of it
  bool calm_ = false;      ///< nothing befalls it any more
};

}  // namespace rankpool::schedule::testing
