#pragma once

#include "base/ids.hpp"
#include "engine/pool_state.hpp"
#include "engine/shared_caller.hpp"
#include "process/blob.hpp"
#include "schedule/scheduler.hpp"

#include <rankpool/detail/sink.hpp>

#include <atomic>
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
  detail::Ref<detail::Sink> sink;
  schedule::WorkSpec spec;
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
// The shared state, of which rank 0's handles are one client.
struct MakeSharedValue {
  std::uint64_t id;
  detail::Bytes value;
};
struct MakeSharedBlob {
  std::uint64_t id;
  std::shared_ptr<const process::Blob> blob;
};
struct ForgetShared {
  std::uint64_t id;
};
struct CallShared {
  std::shared_ptr<SharedCaller> caller;
};
/// The job is over: all pools have ended, nothing follows.
struct EndJob {};

using Command = std::variant<SubmitWork, ExtendWork, SealWork, CancelWork, OpenPool, ClosePool, SealPool, StopPool,
                             MakeSharedValue, MakeSharedBlob, ForgetShared, CallShared, EndJob>;

/// The way from the user's threads to the engine thread. Commands are taken in the order in which they were posted.
class Mailbox {
 public:
  Mailbox();
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Any thread. Wakes the engine if it sleeps.
  void post(Command command);
  /// Any thread. Posts what `make(next_work_id)` gives while the mailbox is locked: what is decided there has an order
  /// with all other posts. Nothing is posted if it throws.
  template <class Make>
  auto post_work(Make&& make) {
    WorkId work{};
    {
      const std::lock_guard lock(mutex_);
      work = WorkId{next_work_};
      incoming_.push_back(make(work));
      ++next_work_;
      filled_.store(true, std::memory_order_seq_cst);
    }
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
  /// `rung`: `fd()` was readable.
  void awake(bool rung);
  [[nodiscard]] int fd() const noexcept { return fd_; }

  /// Any thread, signal handlers too: makes a sleeping engine look around.
  void wake() noexcept;

 private:
  int fd_ = -1;
  std::atomic<bool> sleeping_{false};
  std::atomic<bool> filled_{false};
  std::mutex mutex_;
  bool closed_ = false;            // guarded by mutex_
  std::vector<Command> incoming_;  // guarded by mutex_
  std::uint64_t next_work_ = 1;    // guarded by mutex_
};

}  // namespace rankpool::engine
