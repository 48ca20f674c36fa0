#pragma once

#include <functional>
#include <utility>

/// The library's own thread for done-callbacks: started when the first one comes, ended by `run`. Thread-safe.
namespace rankpool::client {

/// As long as it lives a callback may come. Starts the thread if it is not there; while callbacks are awaited it does
/// the engine's work between them, as a thread does that waits for a result.
class AwaitedCallback {
 public:
  /// @throws std::system_error if the system has no more threads for this program
  AwaitedCallback();
  ~AwaitedCallback();
  AwaitedCallback(AwaitedCallback&& other) noexcept : counted_(std::exchange(other.counted_, false)) {}
  AwaitedCallback& operator=(AwaitedCallback&& other) noexcept {
    std::swap(counted_, other.counted_);
    return *this;
  }
  AwaitedCallback(const AwaitedCallback&) = delete;
  AwaitedCallback& operator=(const AwaitedCallback&) = delete;

 private:
  bool counted_ = true;
};

/// Runs it on the callback thread, after all that were posted before. What it throws is the caller's to catch.
void post_callback(std::function<void()> callback);
/// Waits until all that were posted before have run. Returns at once on the callback thread itself.
void drain_callbacks();
/// Drains, and ends the thread. A later post starts a new one. On the callback thread it only lets it end after this
/// callback.
void stop_callbacks();
[[nodiscard]] bool on_callback_thread() noexcept;

}  // namespace rankpool::client
