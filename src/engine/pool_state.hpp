#pragma once

#include "base/ids.hpp"
#include "watch/tally.hpp"

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/pool_client.hpp>
#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/mp_context.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace rankpool::engine {

/// Whether a pool takes work, as those who submit see it. Only ever grows.
enum class Intake : std::uint8_t { open, closed, stopped };

/// What the user's threads and the engine thread both know of a pool.
struct PoolState {
  // Constant after construction.
  PoolId id{};
  detail::Facade facade{};
  int max_workers = 0;
  int threads_per_worker = 1;
  detail::Bytes initializer;
  detail::KeepAlives
      keep_alives;  ///< shared objects whose handles the initializer holds; dropped by the engine when the pool ends
  MpContext mp_context = MpContext::forkserver;
  bool announce_items = false;
  bool close_on_stop = false;

  /// Guarded by the mailbox's mutex, so that no submission comes behind the closing.
  Intake intake = Intake::open;

  /// What insights are made of. Engine thread; others ask it (AskTally).
  watch::Tally tally;

  /// Workers that are starting or alive; 0 once the pool is broken or ended. Written by the engine.
  std::atomic<int> alive{0};

  // Guarded by `mutex`; `changed` is notified.
  std::mutex mutex;
  std::condition_variable changed;
  detail::FailurePtr broken;
  int ready = 0;
  bool ended = false;

  [[nodiscard]] detail::FailurePtr why_broken() {
    const std::lock_guard lock(mutex);
    return broken;
  }
};

}  // namespace rankpool::engine
