#pragma once

#include "base/ids.hpp"
#include "base/own_descriptor.hpp"
#include "channel/blob.hpp"
#include "channel/channel.hpp"
#include "engine/pool_state.hpp"
#include "engine/shared_caller.hpp"
#include "engine/task_events.hpp"
#include "schedule/scheduler.hpp"

#include <rankpool/detail/result_receiver.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
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

/// Does what the engine would do for a submission, in the thread that submits, while the engine sleeps.
class InlineDispatcher {
 public:
  /// Whether it can.
  [[nodiscard]] virtual bool takes(const SubmitWork& command) = 0;
  /// Leaves to the caller to wake the worker.
  [[nodiscard]] virtual channel::FutexWake serve(Command& command) noexcept = 0;

 protected:
  ~InlineDispatcher() = default;
};

/// The way from the user's threads to the engine thread. Commands are taken in the order in which they were posted.
///
/// While the engine sleeps, the submitting thread dispatches to an idle worker itself: that saves one of two wake-ups.
/// The engine sleeps on until the worker wakes it.
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
  [[nodiscard]] bool prepare_sleep();
  /// While it sleeps: from now on `by` may be called by any thread, one at a time, and uses what is the engine's.
  void allow_inline_dispatch(InlineDispatcher& by);
  /// From now on it is not called any more, and what it did is seen.
  void end_inline_dispatch();
  /// `rung`: `fd()` was readable.
  void awake(bool rung);
  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// False once the program has closed what is behind `fd()`: nobody can wake the engine any more. Any thread.
  [[nodiscard]] bool intact() const noexcept { return identity_.is(fd_); }

  /// Any thread, signal handlers too: makes a sleeping engine look around.
  void wake() noexcept;

 private:
  bool begin_inline_dispatch(const SubmitWork& submission);
  void dispatch_inline(SubmitWork&& submission) noexcept;

  int fd_ = -1;
  base::DescriptorIdentity identity_;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> filled_{false};
  std::mutex mutex_;
  bool closed_ = false;                            // guarded by mutex_
  std::vector<Command> incoming_;                  // guarded by mutex_
  std::uint64_t next_work_ = 1;                    // guarded by mutex_
  std::mutex inline_mutex_;                        // who has both locked mutex_ first
  InlineDispatcher* inline_dispatcher_ = nullptr;  // guarded by inline_mutex_; null unless the engine sleeps
};

}  // namespace rankpool::engine
