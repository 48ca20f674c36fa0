#pragma once

#include "watch/event.hpp"
#include "watch/task_book.hpp"

namespace rankpool::watch {

/// Somebody who wants to know: progress, a trace, a job log. All are told of the same stream, on the observer thread,
/// which is the only one that does their input and output.
class Reader {
 public:
  virtual ~Reader() = default;
  /// An event, after `book` has taken it in (but before it forgets a work that has ended).
  virtual void event(const Event& event, TaskBook& book) = 0;
  /// A run of an item that has come to its end.
  virtual void run(const TaskRun& run, TaskBook& book) = 0;
  /// Called after each batch of events, and at the latest when `next` says.
  virtual void tick(Time now, TaskBook& book) = 0;
  /// When it wants to be called though nothing happens.
  [[nodiscard]] virtual Time next(Time now) const = 0;
  /// The job ends: nothing follows.
  virtual void end(Time now, TaskBook& book) = 0;
};

}  // namespace rankpool::watch
