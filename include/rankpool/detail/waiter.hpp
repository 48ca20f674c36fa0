#pragma once

#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/stand_in.hpp>
#include <rankpool/timeout.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Collects the ends of many futures for one thread that waits. It must be taken off all of them before it goes.
class Waiter final : public FutureBase::Watcher {
 public:
  void watch(FutureBase& future, std::size_t index) {
    if (!future.add_watcher(this, index)) future_done(index);
  }
  void unwatch(FutureBase& future) noexcept { future.remove_watcher(this); }

  void future_done(std::size_t index) noexcept override {
    const std::lock_guard lock(mutex_);
    done_.push_back(index);
    if (waiting_) changed_.notify_one();
    if (standing_in_) end_stand_in();
  }
  /// Appends the indices of those that have ended since the last call.
  void take(std::vector<std::size_t>& to) {
    const std::lock_guard lock(mutex_);
    to.insert(to.end(), done_.begin(), done_.end());
    done_.clear();
  }
  /// Waits until there is one; false if the deadline passed.
  bool wait(const std::optional<Timeout::Clock::time_point>& deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return !done_.empty(); };
    if (ready()) return true;
    standing_in_ = true;
    lock.unlock();
    const auto any_is_done = [this] {
      const std::lock_guard guard(mutex_);
      return !done_.empty();
    };
    stand_in_until(any_is_done, deadline);
    lock.lock();
    standing_in_ = false;
    waiting_ = true;
    bool there = true;
    if (deadline) {
      there = changed_.wait_until(lock, *deadline, ready);
    } else {
      changed_.wait(lock, ready);
    }
    waiting_ = false;
    return there;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::size_t> done_;
  bool waiting_ = false;
  bool standing_in_ = false;  ///< the thread that waits does so in the engine's place
};

}  // namespace rankpool::inline v0_2::detail
