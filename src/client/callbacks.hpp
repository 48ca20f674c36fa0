#pragma once

#include <functional>

/// The library's own thread for done-callbacks: started when the first one comes, ended by `run`. Thread-safe.
namespace rankpool::client {

/// Starts the thread if it is not there, so that what is posted afterwards finds it.
/// @throws std::system_error if the system has no more threads for this program
void start_callbacks();
/// Runs it on the callback thread, after all that were posted before. What it throws is the caller's to catch.
void post_callback(std::function<void()> callback);
/// Waits until all that were posted before have run. Returns at once on the callback thread itself.
void drain_callbacks();
/// Drains, and ends the thread. A later post starts a new one. On the callback thread it only lets it end after this
/// callback.
void stop_callbacks();
[[nodiscard]] bool on_callback_thread() noexcept;

}  // namespace rankpool::client
