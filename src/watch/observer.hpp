#pragma once

#include "watch/event_ring.hpp"
#include "watch/names.hpp"
#include "watch/reader.hpp"
#include "watch/task_book.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <vector>

namespace rankpool::watch {

/// The observer thread: reads the events and tells the readers, which do all the input and output of watching.
///
///     engine ──append──► EventRing ──► TaskBook ──► readers: progress, trace
///
/// `ring` and `names` are for whoever tells events; the rest is for its owner's thread. The thread takes no signals.
class Observer {
 public:
  explicit Observer(TaskBook::Namer namer);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer();

  [[nodiscard]] EventRing& ring() noexcept { return ring_; }
  [[nodiscard]] Names& names() noexcept { return names_; }

  /// Before `start`.
  void add(std::unique_ptr<Reader> reader) { readers_.push_back(std::move(reader)); }
  void start();
  /// Reads what is there, tells the readers that it was all, and ends the thread.
  void end();

  /// A reader says so on the observer thread: the last line about that work is written.
  void finished(std::uint64_t work);
  /// Waits for that, but not for ever: a line of progress is not worth a hang.
  void await_finished(std::uint64_t work);

  [[nodiscard]] static Time now() noexcept;

 private:
  void thread_main() noexcept;
  void loop();

  EventRing ring_;
  Names names_;
  TaskBook book_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::thread thread_;
  std::atomic<bool> ending_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_set<std::uint64_t> finished_;  // guarded by mutex_
  bool ended_ = false;                          // guarded by mutex_
};

}  // namespace rankpool::watch
