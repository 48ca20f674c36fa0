#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/keep_alives.hpp>
#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/insights.hpp>
#include <rankpool/mp_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Which of Python's classes a pool is: it decides the words of the errors, and what the end of the program does to it.
enum class Facade : std::uint8_t { executor, pool };

/// What a pool is opened with.
struct PoolConfig {
  Facade facade = Facade::executor;
  std::optional<int> max_workers;
  int threads_per_worker = 1;
  Bytes initializer;       ///< an encoded Function<void()>, or empty
  KeepAlives keep_alives;  ///< shared objects whose handles it holds
  std::optional<int> max_tasks_per_child;
  MpContext mp_context = MpContext::forkserver;
  bool replace_lost_workers = false;
  int max_retries = 0;
  std::optional<std::chrono::nanoseconds> task_timeout;
  bool close_on_stop = false;  ///< when the program is asked to stop
};

/// What a piece of work is called where it is shown.
struct WorkLabel {
  std::string name;                     ///< of its task, if the user gave one
  std::optional<std::string> progress;  ///< label of its progress line, if it wants one
};

/// How a piece of work is handed in.
struct WorkOptions {
  std::uint64_t items = 1;
  bool open = false;           ///< more may follow through the WorkControl
  std::uint32_t chunk = 0;     ///< items for each chunk; 0: the library chooses
  std::size_t item_bytes = 0;  ///< mean encoded size of an item: bounds the chunks that the library chooses
  std::shared_ptr<const WorkLabel> label = nullptr;
  int ranks = 0;  ///< processes for each item, which make up an MPI job of their own; 0: it is no such task
  int priority = 0;
  std::optional<int> max_retries;                        ///< in place of the pool's
  std::optional<std::chrono::nanoseconds> task_timeout;  ///< in place of the pool's
  std::optional<std::size_t> memory;                     ///< bytes for each item
  std::vector<int> avoid_ranks;                          ///< whose nodes run it only if no other can
};

/// The public classes' way to the engine: one open executor or pool. Thread-safe. The pool lives on in the engine until
/// its work is done, whether or not anybody holds this.
class PoolClient {
 public:
  /// Starts the workers and does not wait for them. Throws Error outside of `run` or in a worker, std::invalid_argument
  /// for numbers that make no sense.
  static std::shared_ptr<PoolClient> open(PoolConfig config);

  PoolClient() = default;
  PoolClient(const PoolClient&) = delete;
  PoolClient& operator=(const PoolClient&) = delete;
  virtual ~PoolClient() = default;

  /// Throws ShutdownError or BrokenProcessPool if the pool takes no work.
  virtual void check_open() = 0;
  /// Hands in a single task. Throws as `check_open` does; the receiver is then untouched.
  virtual void submit(Ref<ResultReceiver> receiver) = 0;
  /// Hands in work of many items, or with requests of its own. Throws std::invalid_argument if it asks for more than
  /// the pool has, Error if tasks of several ranks cannot run here.
  virtual std::shared_ptr<WorkControl> submit(Ref<ResultReceiver> receiver, const WorkOptions& options) = 0;

  /// Takes no more work; what was submitted is finished, or cancelled if it has not begun.
  virtual void close(bool cancel_pending) = 0;
  /// Ends the workers now, by a signal.
  virtual void stop(int signal) = 0;
  /// Waits until the pool has ended: all work done, no worker process left, and all callbacks run (unless this is
  /// called in one).
  virtual void wait_ended() = 0;
  /// Waits until each worker has run its initializer. Throws ShutdownError or BrokenProcessPool.
  virtual void wait_ready() = 0;
  [[nodiscard]] virtual int workers_alive() const = 0;
  [[nodiscard]] virtual Insights insights() const = 0;
  /// As many as it was opened with.
  [[nodiscard]] virtual int max_workers() const = 0;
};

}  // namespace rankpool::inline v0_2::detail
