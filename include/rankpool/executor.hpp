#pragma once

#include <rankpool/callable.hpp>
#include <rankpool/detail/group_task.hpp>
#include <rankpool/detail/pool_client.hpp>
#include <rankpool/detail/submit.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/future.hpp>
#include <rankpool/insights.hpp>
#include <rankpool/map_results.hpp>
#include <rankpool/mp_context.hpp>
#include <rankpool/task_options.hpp>
#include <rankpool/timeout.hpp>

#include <concepts>
#include <csignal>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
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

/// How an executor works: `ProcessPoolExecutor executor({.max_workers = 4, .task_timeout = 10min})`. Every member has a
/// default, so any may be named alone, in this order.
struct ExecutorOptions {
  // -- workers

  /// Worker processes. They are spread over the ranks in turn, each up to its cores; more than the job's cores are
  /// allowed, and share them. Default: the environment's RANKPOOL_MAX_WORKERS, else every core of the job. Leave it out
  /// where tasks compute; ask for more where they mostly wait. Below 1: std::invalid_argument.
  std::optional<int> max_workers = std::nullopt;
  /// Cores for each worker: the default number of workers is the cores divided by it. OpenMP, OpenBLAS and MKL use so
  /// many threads in a worker, unless the program or the user has told them a number (OMP_NUM_THREADS). Default: 1.
  /// Raise it where a task computes with several threads itself. Below 1: std::invalid_argument.
  int threads_per_worker = 1;
  /// Run once in every worker process before its first task, also in one that replaces another: `partial(init, a, b)`.
  /// Default: nothing. Use it for what all tasks need and no argument should carry: open files, tables, licences. If it
  /// throws anywhere, the executor breaks, and BrokenProcessPool has its text.
  Function<void()> initializer = {};
  /// A worker process is replaced after so many tasks; a chunk of a map counts as one. Default: never. A remedy for
  /// tasks that leak memory. Below 1: std::invalid_argument.
  std::optional<int> max_tasks_per_child = std::nullopt;
  /// How worker processes are launched. Default: `forkserver`. Take `spawn` where a library does not bear a fork. Error
  /// for `in_rank` without CommExecutor.
  MpContext mp_context = MpContext::forkserver;

  // -- failures

  /// What the loss of a worker does: break the executor (default, Python's way), or replace the worker and go on. Take
  /// `replace` for long jobs whose tasks may be run twice.
  OnWorkerDeath on_worker_death = OnWorkerDeath::break_pool;
  /// With `replace`: how often a task that ran on a worker that was lost is tried again before it throws
  /// TerminatedWorkerError. Default: 0. A task that crashes does so each time: 1 or 2 is enough for lost nodes. Below
  /// 0: std::invalid_argument.
  int max_retries = 0;
  /// How long one task, or one item of a map, may run. One that runs longer throws TaskTimeoutError, its worker is
  /// killed and replaced, and the executor goes on. Default: as long as it takes. Costs a message for each item. At or
  /// below zero: std::invalid_argument.
  Timeout task_timeout = {};

  // -- the end of the program

  /// What SIGINT, SIGTERM or SIGUSR1 (Slurm's `--signal`) does to the executor. Default: nothing, the program sees to
  /// it. With `finish_running` such a signal does not end the program any more, and `main` has to come to its end.
  OnStop on_stop = OnStop::carry_on;
};

/// How a map goes: `executor.map({.chunksize = 10, .timeout = 5s}, f, xs)`. Every member has a default.
struct MapOptions {
  // -- how the input is read and handed out

  /// Items for each chunk that a worker is handed. Default: chosen by the library, from one item up, by how long the
  /// items take: leave it so unless you know better. Every item has its own outcome, whatever the chunk. Below 1:
  /// std::invalid_argument.
  std::optional<int> chunksize = std::nullopt;
  /// Read the input only so many chunks ahead of what was handed out (chunks of one item unless told): so many at the
  /// call, and one more before the first result of each chunk is waited for. An input that is a named object is then
  /// referred to and must outlive the results. When the executor breaks or is shut down, what was not read is dropped,
  /// after an item that says why. Default: the whole input is read at the call. Use it for endless inputs, and for such
  /// as are too large for the memory; a few for each worker keeps all busy. Below 1: std::invalid_argument.
  std::optional<int> buffersize = std::nullopt;

  // -- how the results come

  /// One deadline for all results, counted from the call of `map`. When it passes, TimeoutError is thrown once, what
  /// has not begun is cancelled, and the results are at their end. Default: none.
  Timeout timeout = {};
  /// Results as they finish, not in the order of the input: none waits for a slow one before it. `outcomes()` tells
  /// which is whose. Default: in the order of the input.
  bool unordered = false;
  /// Shows how far the map is, under this label: in the lowest line of a terminal, or as lines of a log, the first
  /// after 10 s and then ever rarer. On stderr; `RANKPOOL_PROGRESS` is `auto`, `bar`, `log`, `off` or `all`. Default:
  /// nothing.
  std::optional<std::string> progress = std::nullopt;

  // -- each item, as in TaskOptions

  /// What the items are called where `progress` gives no label, in traces, insights and the texts of errors. Default:
  /// what the function is called.
  std::string name = {};
  /// Processes that run an item together. Default: 1. Below 1, or more than the executor has workers:
  /// std::invalid_argument.
  int ranks = 1;
  /// Of what waits the highest goes first; equal ones go in the order in which they were submitted. Default: 0.
  int priority = 0;
  /// With OnWorkerDeath::replace: how often an item that was lost with its worker is tried again. Default: the
  /// executor's. Below 0: std::invalid_argument.
  std::optional<int> max_retries = std::nullopt;
  /// How long each item may run: as ExecutorOptions::task_timeout, in place of it. At or below zero:
  /// std::invalid_argument.
  Timeout task_timeout = {};
  /// Bytes that each item needs at its peak: as TaskOptions::memory. Default: not told.
  std::optional<std::size_t> memory = std::nullopt;
};

/// How an executor is shut down: `executor.shutdown({.cancel_futures = true})`.
struct ShutdownOptions {
  /// Return only when all work is done, all workers have ended and all callbacks have run. False: return at once; what
  /// was submitted still finishes, and a later `shutdown()`, or the destructor, waits for it. Default: true.
  bool wait = true;
  /// Cancel what has not begun: each such future is done, wakes who waits for it, and runs its callbacks once. Tasks
  /// that a worker was handed ahead count as begun. Default: false, all that was submitted finishes.
  bool cancel_futures = false;
};

/// Runs tasks in worker processes on all cores of all ranks. Python: `concurrent.futures.ProcessPoolExecutor`.
///
/// Every member may be called from any thread at any time. The destructor is `shutdown()`: it finishes all submitted
/// work.
class ProcessPoolExecutor {
 public:
  /// Starts the workers and does not wait for them: the first tasks wait until a worker is up. If none can be started,
  /// the tasks throw BrokenProcessPool that says why.
  /// @throws std::invalid_argument for numbers that make no sense; Error outside of `run`, or inside a task; what the
  ///   encoding of the initializer throws
  ProcessPoolExecutor(ExecutorOptions options = {})  // NOLINT(google-explicit-constructor)
      : link_(detail::PoolClient::open(config_of(options))) {}
  explicit ProcessPoolExecutor(std::integral auto max_workers) : ProcessPoolExecutor(with_workers(max_workers)) {}
  ProcessPoolExecutor(const ProcessPoolExecutor&) = delete;
  ProcessPoolExecutor& operator=(const ProcessPoolExecutor&) = delete;
  ~ProcessPoolExecutor() {
    try {
      shutdown();
    } catch (...) {  // only for want of memory
    }
  }

  /// Runs `f(args...)` in a worker.
  /// @param f a function, a lambda without captures, a function object that travels, or `partial(f, bound...)`
  /// @param args copied before the call returns, and converted to the parameters of `f` where these are known
  /// @return Future<R>, where R is what `f` returns (a `std::string` for a view of one). What `f` throws comes out of
  ///   `result()`; so does what encoding the arguments throws
  /// @throws ShutdownError after `shutdown`; BrokenProcessPool, with the cause, once the executor is broken
  /// Thread-safe. Python: `Executor.submit`.
  // Not `requires`: Clang looks at what is returned before it.
  template <class F, class... Args, std::enable_if_t<!std::is_same_v<std::remove_cvref_t<F>, TaskOptions>, int> = 0>
  Future<detail::SubmitResult<F, Args...>> submit(F&& f, Args&&... args) {
    return detail::submit_task(*link_, nullptr, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// The same for a task that is to have what others need not: `submit({.ranks = 4}, f, x)`.
  /// @return Future<R>, where R is what `f` returns
  /// @throws std::invalid_argument for options that make no sense; what the other form throws
  template <class F, class... Args>
  auto submit(TaskOptions options, F&& f, Args&&... args) {
    auto task = detail::group_or_plain<Args...>(std::forward<F>(f), options.ranks);
    const detail::WorkOptions work = detail::work_options(options);
    return detail::submit_task(*link_, &work, std::move(task), std::forward<Args>(args)...);
  }

  /// Runs `f` on the elements of one or more ranges, in step, until the shortest ends. Items are handed to workers in
  /// chunks, and each has its own outcome.
  /// @param options chunks, buffer, deadline and order; first, if at all: `map({.chunksize = 10}, f, xs)`
  /// @param f as for `submit`; called with one element of each range
  /// @param iterables input ranges, read at the call, unless `buffersize` is given: an lvalue range is then referred to
  ///   and must outlive the results
  /// @return MapResults<R>, where R is what `f` returns (`std::monostate` for void): a range. What a task throws comes
  ///   out of it in its place; what the input throws comes last
  /// @throws std::invalid_argument for a `chunksize` or `buffersize` below 1; ShutdownError after `shutdown`;
  ///   BrokenProcessPool, with the cause, once the executor is broken
  /// Thread-safe; the results are for one thread at a time. Python: `Executor.map`.
  template <class F, std::ranges::input_range... Ranges>
  requires(!std::is_same_v<std::remove_cvref_t<F>, MapOptions> &&
           sizeof...(Ranges) > 0) auto map(F f, Ranges&&... iterables) {
    return map(MapOptions{}, std::move(f), std::forward<Ranges>(iterables)...);
  }
  template <class F, std::ranges::input_range... Ranges>
  requires(sizeof...(Ranges) > 0) auto map(MapOptions options, F f, Ranges&&... iterables) {
    const auto task = detail::group_or_plain<std::ranges::range_reference_t<Ranges>...>(std::move(f), options.ranks);
    return detail::map_ranges(*link_, request_of(options), task, std::forward<Ranges>(iterables)...);
  }
  template <class F, class T>
  auto map(F f, std::initializer_list<T> items) {
    return map(MapOptions{}, std::move(f), std::vector<T>(items));
  }

  /// As `map`, with arguments already grouped: `f` is called with the elements of each tuple or pair.
  /// @return MapResults<R>, as `map`
  /// @throws as `map`
  /// Thread-safe. Python: `itertools.starmap`, `Pool.starmap`.
  template <class F, std::ranges::input_range Range>
  requires(!std::is_same_v<std::remove_cvref_t<F>, MapOptions>) auto starmap(F f, Range&& tuples) {
    return starmap(MapOptions{}, std::move(f), std::forward<Range>(tuples));
  }
  template <class F, std::ranges::input_range Range>
  auto starmap(MapOptions options, F f, Range&& tuples) {
    const auto task = detail::group_or_plain_star<std::remove_cvref_t<std::ranges::range_reference_t<Range>>>(
        std::move(f), options.ranks);
    return detail::starmap_range(*link_, request_of(options), task, std::forward<Range>(tuples));
  }

  /// Takes no more work. What was submitted still finishes, unless `cancel_futures`. May be called again, to wait after
  /// all, and in a callback, where it does not wait for that callback.
  /// @throws nothing of the tasks: their failures are in their futures
  /// Thread-safe. Python: `Executor.shutdown`; leaving its `with` block is the destructor here.
  void shutdown(ShutdownOptions options = {}) {
    link_->close(options.cancel_futures);
    if (options.wait) link_->wait_ended();
  }
  /// Ends the worker processes now, by SIGTERM, and by SIGKILL those that are there a second later: what has not begun
  /// is cancelled, what runs throws BrokenProcessPool ("forcefully shut down"), and submitting throws ShutdownError.
  /// Does not wait. Thread-safe. Python: `ProcessPoolExecutor.terminate_workers`.
  void terminate_workers() { link_->stop(SIGTERM); }
  /// The same by SIGKILL. Thread-safe. Python: `ProcessPoolExecutor.kill_workers`.
  void kill_workers() { link_->stop(SIGKILL); }

  /// Waits until each worker is up and has run its initializer; without `wait` it only checks that the executor is
  /// open. For measuring, and to see a failing initializer early: nothing else needs it.
  /// @throws ShutdownError after `shutdown`, or if that comes meanwhile; BrokenProcessPool if an initializer failed, or
  ///   the executor broke otherwise
  /// Thread-safe. mpi4py: `MPIPoolExecutor.bootup`.
  void bootup(bool wait = true) {
    if (wait) {
      link_->wait_ready();
    } else {
      link_->check_open();
    }
  }
  /// Worker processes that are starting or alive; 0 once it is shut down or broken. Thread-safe.
  [[nodiscard]] int num_workers() const { return link_->workers_alive(); }
  /// What has become of the tasks so far, where the time went, and what to do about it. After `shutdown` too.
  [[nodiscard]] Insights insights() const { return link_->insights(); }

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
    config.threads_per_worker = options.threads_per_worker;
    const detail::KeepAliveScope scope(config.keep_alives);
    if (options.initializer) detail::encode(config.initializer, options.initializer);
    config.max_tasks_per_child = options.max_tasks_per_child;
    config.mp_context = options.mp_context;
    config.close_on_stop = options.on_stop == OnStop::finish_running;
    config.replace_lost_workers = options.on_worker_death == OnWorkerDeath::replace;
    config.max_retries = options.max_retries;
    if (options.task_timeout.has_value()) config.task_timeout = options.task_timeout.value();
    return config;
  }
  static detail::MapRequest request_of(const MapOptions& options) {
    detail::check_positive(options.chunksize, "chunksize");
    detail::check_positive(options.buffersize, "buffersize");
    detail::MapRequest request;
    request.chunksize = options.chunksize;
    if (options.buffersize) request.buffersize = static_cast<std::uint64_t>(*options.buffersize);
    request.timeout = options.timeout;
    request.unordered = options.unordered;
    request.progress = options.progress;
    request.each = {options.name,        options.ranks,        options.priority,
                    options.max_retries, options.task_timeout, options.memory};
    return request;
  }

  std::shared_ptr<detail::PoolClient> link_;
};

}  // namespace rankpool::inline v0_2
