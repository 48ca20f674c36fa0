#pragma once

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace rankpool::inline v0_2 {

/// What one worker process has done. Times by its own clock.
struct WorkerInsights {
  int worker = -1;
  int rank = -1;
  std::string host;
  pid_t pid = 0;
  std::uint64_t tasks = 0;              ///< that it has finished
  std::chrono::nanoseconds busy{0};     ///< in tasks: from taking the arguments apart to handing over the result
  std::chrono::nanoseconds idle{0};     ///< the rest of the time since it was started: busy + idle is its whole life
  bool alive = false;
};

/// One task that took long.
struct TaskInsights {
  std::string name;          ///< of its function
  std::uint64_t number = 0;  ///< of the item in its map, from 0
  std::chrono::nanoseconds time{0};
  int worker = -1;
};

/// What became of the tasks of one executor or pool, where the time went, and what to do about it.
///
/// In chunks of several tasks whose single times nobody asked for (no trace is written), the mean of the chunk stands
/// for each of them, but for one that took far longer than the others.
struct Insights {
  std::uint64_t done = 0;        ///< tasks that returned
  std::uint64_t failed = 0;      ///< tasks that threw, ran too long, or whose arguments could not be encoded
  std::uint64_t lost = 0;        ///< tasks that ended with their worker or their pool
  std::uint64_t cancelled = 0;   ///< tasks that never began
  std::uint64_t retried = 0;     ///< times that a lost task was tried again
  std::uint64_t unfinished = 0;  ///< tasks that wait or run
  std::chrono::nanoseconds wall{0};    ///< since the pool was made, until it ended
  std::chrono::nanoseconds mean{0};    ///< length of a task
  std::chrono::nanoseconds median{0};  ///< to 5 %
  std::vector<TaskInsights> longest;   ///< the ten longest tasks, the longest first
  std::vector<WorkerInsights> workers;
  std::uint64_t bytes_in = 0;   ///< of arguments, encoded
  std::uint64_t bytes_out = 0;  ///< of results, encoded
  double in_tasks = 0;          ///< part of the workers' time that went into tasks, 0 to 1
  std::vector<std::string> advice;  ///< what to do, in words, where something is wrong
};

/// Ten lines.
std::ostream& operator<<(std::ostream& to, const Insights& insights);

}  // namespace rankpool::inline v0_2
