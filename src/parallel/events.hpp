#pragma once

#include "parallel/command.hpp"

#include <rankpool/rankpool.hpp>

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>
#include <variant>

namespace rankpool::parallel {

struct CommandDone {
  std::uint64_t seq = 0;
  Future<CommandResult> future;
};
struct StopSignal {
  int number = 0;
  pid_t sender = 0;  ///< 0: outside this name space of processes
};
/// Something else has changed: there is more to be run, or nothing more ever.
struct LookAgain {};
using Event = std::variant<CommandDone, Piece, StopSignal, LookAgain>;

/// Whatever rank 0's main thread waits for, in one place. Thread-safe.
class Events {
 public:
  void post(Event event);
  /// The next one; nothing if none has come until then.
  std::optional<Event> wait(std::chrono::steady_clock::time_point until);
  /// One that is there already.
  std::optional<Event> poll();
  /// Waits while many pieces are there that nobody has looked at.
  void wait_for_room();
  /// Nobody looks at pieces any more: nobody waits for room.
  void stop_looking();

 private:
  std::optional<Event> take();
  std::mutex mutex_;
  std::condition_variable come_;
  std::condition_variable room_;
  std::deque<Event> events_;
  std::size_t pieces_ = 0;
  bool looking_ = true;
};

/// Who may work now, of several threads. It is taken when it is made. A thread that has it may try to take it once
/// more, in vain.
class Turn {
 public:
  void take() { free_.acquire(); }
  [[nodiscard]] bool try_take() { return free_.try_acquire(); }
  void leave() { free_.release(); }

 private:
  std::binary_semaphore free_{0};
};

/// Posts the signals that ask rank 0 to stop, from a thread of its own, and keeps them from everybody else. Those that
/// the program was started to ignore stay ignored. Made before any other thread of rank 0's program.
class SignalWatch {
 public:
  explicit SignalWatch(Events& events);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  Events& events_;
  std::thread thread_;
};

/// Posts the pieces that workers put into their queue.
class PieceReader {
 public:
  explicit PieceReader(Events& events);
  /// After the last worker has ended.
  ~PieceReader();
  PieceReader(const PieceReader&) = delete;
  PieceReader& operator=(const PieceReader&) = delete;
  [[nodiscard]] const Queue<Piece>& queue() const { return queue_; }

 private:
  Events& events_;
  Queue<Piece> queue_;
  std::thread thread_;
};

}  // namespace rankpool::parallel
