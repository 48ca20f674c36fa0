#pragma once

#include <rankpool/callable.hpp>
#include <rankpool/detail/group_task.hpp>
#include <rankpool/detail/pool_link.hpp>
#include <rankpool/detail/submit.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/future.hpp>
#include <rankpool/map_results.hpp>
#include <rankpool/task_options.hpp>
#include <rankpool/timeout.hpp>

#include <concepts>
#include <csignal>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

/// What the loss of a worker or a rank does to its executor.
enum class OnWorkerDeath {
  break_pool,  ///< every pending future throws BrokenProcessPool; a new executor works. Python's way
  replace,     ///< the worker is replaced, what it ran is tried again `max_retries` times, and everything else goes on
};

/// What an executor does when the program is asked to stop: `stop_requested()`.
enum class OnStop {
  carry_on,        ///< nothing: the program sees to it
  finish_running,  ///< what has not begun is cancelled, what runs finishes and is delivered, and no more work is taken
};

struct ExecutorOptions {
  /// Worker processes. Default: $RANKPOOL_MAX_WORKERS, else every core of the job. Below 1: std::invalid_argument.
  std::optional<int> max_workers = std::nullopt;
  /// Run once in every worker process before its first task: `partial(init, a1, a2)`. If it throws, the pool breaks.
  Function<void()> initializer = {};
  /// A worker process is replaced after so many tasks; a chunk counts as one. Below 1: std::invalid_argument.
  std::optional<int> max_tasks_per_child = std::nullopt;
  OnWorkerDeath on_worker_death = OnWorkerDeath::break_pool;
  /// With `replace`: how often a task that was lost with its worker is tried again. Below 0: std::invalid_argument.
  int max_retries = 0;
  /// An item that runs longer throws TaskTimeoutError; its worker is killed and replaced, and the pool goes on.
  Timeout task_timeout = {};
  /// SIGINT, SIGTERM or SIGUSR1 (Slurm's `--signal`) does this to the executor, and does not end the program any more.
  OnStop on_stop = OnStop::carry_on;
};

struct MapOptions {
  /// Items for each chunk that a worker is handed. Default: chosen and adapted by the library. Below 1:
  /// std::invalid_argument.
  std::optional<int> chunksize = std::nullopt;
  /// Read the input only so many chunks ahead of what was handed out (chunks of one item unless told), so that endless
  /// inputs work. When the pool breaks or is shut down, what was not read is dropped, after an item that says why.
  /// Default: the whole input is read at the call. Below 1: std::invalid_argument.
  std::optional<int> buffersize = std::nullopt;
  /// One deadline for all results, counted from the call of `map`.
  Timeout timeout = {};
  /// Results as they finish, not in the order of the input.
  bool unordered = false;
  /// As in TaskOptions, for each item.
  int ranks = 1;
  std::optional<int> max_retries = std::nullopt;
};

struct ShutdownOptions {
  bool wait = true;             ///< return only when all work is done and all workers have ended
  bool cancel_futures = false;  ///< cancel what has not begun
};

/// Runs tasks in worker processes on all cores of all ranks. Python: `concurrent.futures.ProcessPoolExecutor`.
///
/// Every member may be called from any thread at any time. The destructor is `shutdown()`: it finishes all submitted
/// work.
class ProcessPoolExecutor {
 public:
  /// Starts the workers and does not wait for them.
  /// @throws std::invalid_argument for numbers that make no sense; Error outside of `run`, or inside a task
  ProcessPoolExecutor(ExecutorOptions options = {})  // NOLINT(google-explicit-constructor)
      : link_(detail::PoolLink::open(config_of(options))) {}
  explicit ProcessPoolExecutor(std::integral auto max_workers) : ProcessPoolExecutor(with_workers(max_workers)) {}
  ProcessPoolExecutor(const ProcessPoolExecutor&) = delete;
  ProcessPoolExecutor& operator=(const ProcessPoolExecutor&) = delete;
  ~ProcessPoolExecutor() {
    try {
      shutdown();
    } catch (...) {  // only for want of memory
    }
  }

  /// Runs `f(args...)` in a worker. @throws ShutdownError, BrokenProcessPool
  template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, TaskOptions>) auto submit(F&& f, Args&&... args) {
    return detail::submit_task(*link_, nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same for a task with wishes of its own. @throws std::invalid_argument too
  template <class F, class... Args>
  auto submit(TaskOptions options, F&& f, Args&&... args) {
    detail::WorkOptions work;
    auto task = detail::group_or_plain<Args...>(std::forward<F>(f), options.ranks);
    work.ranks = options.ranks;
    detail::check_not_negative(options.max_retries, "max_retries");
    work.max_retries = options.max_retries;
    return detail::submit_task(*link_, &work, std::move(task), std::forward<Args>(args)...);
  }

  /// Runs `f` on the elements of one or more ranges, in step, until the shortest ends. The input is read at the call,
  /// unless `buffersize` is given: an lvalue range is then referred to and must outlive the results.
  /// @throws std::invalid_argument, ShutdownError, BrokenProcessPool
  template <class F, std::ranges::input_range... Ranges>
  requires(!std::is_same_v<std::remove_cvref_t<F>, MapOptions> &&
           sizeof...(Ranges) > 0) auto map(F f, Ranges&&... iterables) {
    return map(MapOptions{}, std::move(f), std::forward<Ranges>(iterables)...);
  }
  template <class F, std::ranges::input_range... Ranges>
  requires(sizeof...(Ranges) > 0) auto map(MapOptions options, F f, Ranges&&... iterables) {
    const auto task = detail::group_or_plain<std::ranges::range_reference_t<Ranges>...>(std::move(f), options.ranks);
    return detail::map_ranges(*link_, wish_of(options), task, std::forward<Ranges>(iterables)...);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> items) {
    return map(MapOptions{}, std::move(f), std::vector<T>(items));
  }

  /// As `map`, with arguments already grouped in tuples. Python: `Pool.starmap`.
  template <class F, std::ranges::input_range Range>
  requires(!std::is_same_v<std::remove_cvref_t<F>, MapOptions>) auto starmap(F f, Range&& tuples) {
    return starmap(MapOptions{}, std::move(f), std::forward<Range>(tuples));
  }
  template <class F, std::ranges::input_range Range>
  auto starmap(MapOptions options, F f, Range&& tuples) {
    const auto task = detail::group_or_plain_star<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>(
        std::move(f), options.ranks);
    return detail::starmap_range(*link_, wish_of(options), task, std::forward<Range>(tuples));
  }

  /// Takes no more work. What was submitted still finishes, unless `cancel_futures`. May be called again, to wait after
  /// all.
  void shutdown(ShutdownOptions options = {}) {
    link_->close(options.cancel_futures);
    if (options.wait) link_->wait_ended();
  }
  /// Ends the worker processes now, by SIGTERM: what has not begun is cancelled, what runs throws BrokenProcessPool.
  void terminate_workers() { link_->stop(SIGTERM); }
  /// The same by SIGKILL.
  void kill_workers() { link_->stop(SIGKILL); }

  /// Waits until each worker has run its initializer. @throws ShutdownError; BrokenProcessPool if an initializer failed
  void bootup(bool wait = true) {
    if (wait) {
      link_->wait_ready();
    } else {
      link_->check_open();
    }
  }
  /// Worker processes that are alive; 0 once it is shut down or broken.
  [[nodiscard]] int num_workers() const { return link_->workers_alive(); }

 private:
  static ExecutorOptions with_workers(std::integral auto number) {
    ExecutorOptions options;
    options.max_workers = std::in_range<int>(number) ? static_cast<int>(number)
                          : number < 0               ? -1
                                                     : std::numeric_limits<int>::max();
    return options;
  }
  static detail::PoolConfig config_of(const ExecutorOptions& options) {
    detail::PoolConfig config;
    config.max_workers = options.max_workers;
    const detail::PinScope scope(config.pins);
    if (options.initializer) detail::encode(config.initializer, options.initializer);
    config.max_tasks_per_child = options.max_tasks_per_child;
    config.close_on_stop = options.on_stop == OnStop::finish_running;
    config.replace_lost_workers = options.on_worker_death == OnWorkerDeath::replace;
    config.max_retries = options.max_retries;
    if (options.task_timeout.has_value()) config.task_timeout = options.task_timeout.value();
    return config;
  }
  static detail::MapWish wish_of(const MapOptions& options) {
    detail::check_positive(options.chunksize, "chunksize");
    detail::check_positive(options.buffersize, "buffersize");
    detail::MapWish wish;
    wish.chunksize = options.chunksize;
    if (options.buffersize) wish.buffersize = static_cast<std::uint64_t>(*options.buffersize);
    wish.timeout = options.timeout;
    wish.unordered = options.unordered;
    wish.ranks = options.ranks;
    detail::check_not_negative(options.max_retries, "max_retries");
    wish.max_retries = options.max_retries;
    return wish;
  }

  std::shared_ptr<detail::PoolLink> link_;
};

}  // namespace rankpool::inline v0_2
