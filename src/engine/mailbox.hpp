#pragma once

#include "base/ids.hpp"
#include "base/own_descriptor.hpp"
#include "base/pace.hpp"
#include "channel/blob.hpp"
#include "channel/channel.hpp"
#include "engine/pool_state.hpp"
#include "engine/shared_caller.hpp"
#include "engine/task_events.hpp"
#include "schedule/scheduler.hpp"

#include <rankpool/detail/result_receiver.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::engine {

// Commands: what the user's threads ask of the engine.
struct OpenPool {
  std::shared_ptr<PoolState> state;
  schedule::PoolPolicy policy;
};
struct SubmitWork {
  PoolId pool;
  WorkId work;
  detail::Ref<detail::ResultReceiver> receiver;
  schedule::WorkSpec spec;
  std::shared_ptr<const detail::WorkLabel> label = nullptr;
};
struct ExtendWork {
  WorkId work;
  std::uint64_t more;
};
struct SealWork {
  WorkId work;
};
struct CancelWork {
  WorkId work;
};
struct ClosePool {
  PoolId pool;
  bool cancel_pending;
};
/// Somebody waits for the pool to end: its open works get nothing appended any more.
struct SealPool {
  PoolId pool;
};
struct StopPool {
  PoolId pool;
  int signal;
};
/// From now on these are told of tasks, or nobody (task_events.hpp).
struct ListenToTasks {
  std::shared_ptr<TaskEvents> events;
};
/// What the pool's insights are made of.
struct AskTally {
  std::shared_ptr<PoolState> pool;
  std::shared_ptr<std::promise<watch::Tally>> answer;
};
// The shared state, of which rank 0's handles are one client.
struct MakeSharedValue {
  std::uint64_t id;
  detail::Bytes value;
};
/// `maxsize` 0: as many items as memory holds.
struct MakeSharedQueue {
  std::uint64_t id = 0;
  std::uint64_t maxsize = 0;
};
struct MakeSharedBlob {
  std::uint64_t id;
  std::shared_ptr<const channel::Blob> blob;
};
struct ForgetShared {
  std::uint64_t id;
};
struct CallShared {
  std::shared_ptr<SharedCaller> caller;
};
/// The job is over: all pools have ended, nothing follows.
struct EndJob {};

using Command =
    std::variant<SubmitWork, ExtendWork, SealWork, CancelWork, OpenPool, ClosePool, SealPool, StopPool, ListenToTasks,
                 AskTally, MakeSharedValue, MakeSharedQueue, MakeSharedBlob, ForgetShared, CallShared, EndJob>;

/// Does what the engine would do, in a thread of the user's, while the engine sleeps. One thread at a time.
class StandIn {
 public:
  using Clock = std::chrono::steady_clock;
  /// What one looks for who stands in until it is there.
  class Goal {
   public:
    [[nodiscard]] virtual bool reached() = 0;
    /// Whether it leaves as soon as another thread would stand in.
    [[nodiscard]] virtual bool gives_way() const { return false; }

   protected:
    ~Goal() = default;
  };

  /// Whether it can hand out this submission.
  [[nodiscard]] virtual bool takes(const SubmitWork& command) = 0;
  /// Hands it out. Leaves to the caller to wake the workers.
  [[nodiscard]] virtual std::vector<channel::FutexWake> serve(Command& command) noexcept = 0;

  /// From now on whatever happens is seen by `turn`, and the engine is left asleep.
  virtual void begin_turns() noexcept = 0;
  /// One look at all there is to do, or one sleep, until `deadline` at most. False: the engine is needed.
  virtual bool turn(Goal& goal, const std::optional<Clock::time_point>& deadline) noexcept = 0;
  /// From now on whatever happens wakes the engine, as does what has happened already.
  virtual void end_turns() noexcept = 0;
  /// Ends a sleep within `turn`. Any thread.
  virtual void interrupt() noexcept = 0;

 protected:
  ~StandIn() = default;
};

/// The way from the user's threads to the engine thread. Commands are taken in the order in which they were posted.
///
/// While the engine sleeps, other threads do its work: one that submits hands out to an idle worker itself, and one
/// that waits for a result takes it from the worker. That saves both wake-ups of a round trip.
class Mailbox {
 public:
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Any thread. Wakes the engine if it sleeps.
  void post(Command command);
  /// Any thread. Posts the SubmitWork that `make(next_work_id)` gives while the mailbox is locked: what is decided
  /// there has an order with all other posts. Nothing is posted if it throws.
  template <class Make>
  auto post_work(Make&& make) {
    std::unique_lock lock(mutex_);
    const WorkId work{next_work_};
    SubmitWork submission = make(work);
    if (begin_inline_dispatch(submission)) {
      ++next_work_;
      lock.unlock();
      dispatch_inline(std::move(submission));
      return work;
    }
    incoming_.push_back(std::move(submission));
    ++next_work_;
    filled_.store(true, std::memory_order_seq_cst);
    lock.unlock();
    wake();
    return work;
  }
  /// Any thread. Runs `change` while the mailbox is locked, and posts what it gives.
  template <class Change>
  void post_locked(Change&& change) {
    {
      const std::lock_guard lock(mutex_);
      incoming_.push_back(change());
      filled_.store(true, std::memory_order_seq_cst);
    }
    wake();
  }
  template <class Read>
  auto locked(Read&& read) {
    const std::lock_guard lock(mutex_);
    return read();
  }

  /// Any thread. False, and nothing is posted, if nobody will take it any more.
  bool post_if_open(Command command);

  // -- engine thread
  /// From now on `post_if_open` posts nothing. Gives what was posted before.
  void close(std::vector<Command>& taken);
  [[nodiscard]] bool empty() const noexcept { return !filled_.load(std::memory_order_seq_cst); }
  /// Exchanges what has come in for `taken`, which must be empty.
  void take(std::vector<Command>& taken);
  /// From now on a post makes `fd()` readable. False if something is there already.
  [[nodiscard]] bool prepare_sleep() { return prepare_sleep(Sleep::in_poll); }
  /// While it sleeps: from now on `by` may be called by any thread, one at a time, and uses what is the engine's.
  void lend_engine(StandIn& by);
  /// From now on it is not called any more, and what it did is seen.
  void take_engine_back();
  /// Somebody would stand in if the engine slept, or would have a moment ago.
  [[nodiscard]] bool has_volunteer(StandIn::Clock::time_point now) const noexcept {
    return volunteers_.load(std::memory_order_relaxed) != 0 ||
           now.time_since_epoch() < rest_until_.load(std::memory_order_relaxed);
  }
  /// Somebody stands in, and will look at whatever happened before this was asked.
  [[nodiscard]] bool stood_in_for() const noexcept { return at_work_.load(std::memory_order_seq_cst) != nullptr; }
  /// `rung`: `fd()` was readable.
  void awake(bool rung);
  /// `fd()` was readable, and somebody stands in, who knows of it. Any thread.
  void take_ring() noexcept;
  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// False once the program has closed what is behind `fd()`: nobody can wake the engine any more. Any thread.
  [[nodiscard]] bool intact() const noexcept { return identity_.is(fd_); }

  /// Any thread, signal handlers too: makes a sleeping engine look around.
  void wake() noexcept;

  // -- who stands in
  /// From now on a post interrupts it. False if something is there already, or the engine waits for its end.
  [[nodiscard]] bool prepare_rest() { return prepare_sleep(Sleep::of_stand_in) && !has_to_leave(); }
  void rested() noexcept { sleep_.store(Sleep::none, std::memory_order_seq_cst); }

  // -- threads that wait
  /// Any thread. While the engine sleeps this thread does its work: until the goal is reached or the deadline has
  /// passed, or the engine itself is needed. It may return at once, and says nothing about the goal. Who reaches the
  /// goal in another thread calls `wake`.
  void stand_in_until(StandIn::Goal& goal, const std::optional<StandIn::Clock::time_point>& deadline);

 private:
  enum class Sleep : std::uint8_t { none, in_poll, of_stand_in };

  [[nodiscard]] bool prepare_sleep(Sleep sleep);
  bool begin_inline_dispatch(const SubmitWork& submission);
  void dispatch_inline(SubmitWork&& submission) noexcept;
  bool await_sleep(StandIn::Goal& goal);
  bool replace_stand_in(StandIn::Goal& goal);
  /// The engine's thread, or one that is counted in `wakers_`: the engine waits for those before it goes.
  void interrupt_stand_in() noexcept;
  /// Who stands in does so no longer.
  [[nodiscard]] bool has_to_leave() const noexcept {
    return wanted_back_.load(std::memory_order_seq_cst) ||
           (gives_way_.load(std::memory_order_relaxed) && wanted_away_.load(std::memory_order_seq_cst));
  }

  int fd_ = -1;
  base::DescriptorIdentity identity_;
  std::atomic<Sleep> sleep_{Sleep::none};
  std::atomic<int> wakers_{0};  ///< threads that may interrupt who stands in
  std::atomic<bool> filled_{false};
  std::mutex mutex_;
  bool closed_ = false;            // guarded by mutex_
  std::vector<Command> incoming_;  // guarded by mutex_
  std::uint64_t next_work_ = 1;    // guarded by mutex_
  std::mutex lent_mutex_;          // who has mutex_, too, only tries to lock it
  StandIn* stand_in_ = nullptr;    // guarded by lent_mutex_; null unless the engine sleeps
  std::atomic<bool> wanted_back_{false};
  std::atomic<int> volunteers_{0};
  std::atomic<std::chrono::nanoseconds> rest_until_{std::chrono::nanoseconds(0)};
  /// Volunteering was in vain: not before this, on the steady clock, and next time so much longer.
  std::atomic<std::chrono::nanoseconds> volunteer_from_{std::chrono::nanoseconds(0)};
  std::atomic<std::chrono::nanoseconds> volunteer_pause_{pace::kVolunteer};
  std::atomic<StandIn*> at_work_{nullptr};  ///< within stand_in_until
  std::atomic<bool> gives_way_{false};      ///< who is at work does
  std::atomic<bool> wanted_away_{false};
};

}  // namespace rankpool::engine
