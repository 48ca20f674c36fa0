#pragma once

#include <rankpool/async_result.hpp>
#include <rankpool/callable.hpp>
#include <rankpool/detail/handover.hpp>
#include <rankpool/detail/pool_client.hpp>
#include <rankpool/detail/submit.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/map_results.hpp>
#include <rankpool/mp_context.hpp>
#include <rankpool/timeout.hpp>

#include <atomic>
#include <concepts>
#include <csignal>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

/// How a Pool works: `Pool pool({.processes = 4, .maxtasksperchild = 10})`. Every member has a default, so any may be
/// named alone, in this order.
struct PoolOptions {
  // -- workers

  /// Worker processes; as `ExecutorOptions::max_workers`. Default: the environment's RANKPOOL_MAX_WORKERS, else every
  /// core of the job. Below 1: std::invalid_argument.
  std::optional<int> processes = std::nullopt;
  /// Cores for each worker; as in ExecutorOptions. Below 1: std::invalid_argument.
  int threads_per_worker = 1;
  /// Run once in every worker process before its first task, also in one that replaces another: `partial(init, a, b)`.
  /// Default: nothing. If it throws anywhere, the pool breaks (Python tries for ever), and BrokenProcessPool has its
  /// text.
  Function<void()> initializer = {};
  /// A worker process is replaced after so many tasks; a chunk counts as one. Default: never. A remedy for tasks that
  /// leak memory. Below 1: std::invalid_argument.
  std::optional<int> maxtasksperchild = std::nullopt;
  /// How worker processes are launched. Default: `forkserver`. Take `spawn` where a library does not bear a fork. Error
  /// for `in_rank`, which is for CommExecutor.
  MpContext mp_context = MpContext::forkserver;

  // -- failures

  /// How long one task, or one item of a map, may run. One that runs longer throws TaskTimeoutError, its worker is
  /// killed and replaced, and the pool goes on. Default: as long as it takes. Costs a message for each item. At or
  /// below zero: std::invalid_argument.
  Timeout task_timeout = {};
};

/// Worker processes with the interface of Python's `multiprocessing.Pool`.
///
/// A worker that dies is replaced; only the tasks that it took with it fail, with TerminatedWorkerError. Every member
/// may be called from any thread. The destructor is `terminate()` and `join()`, as leaving Python's `with Pool()` is.
class Pool {
 public:
  /// @throws std::invalid_argument for numbers that make no sense; Error outside of `run`, or inside a task
  Pool(PoolOptions options = {}) : link_(detail::PoolClient::open(config_of(options))) {}  // NOLINT
  explicit Pool(std::integral auto processes) : Pool(with_processes(processes)) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    try {
      terminate();
      join();
    } catch (...) {  // only for want of memory
    }
  }

  /// Runs `f` in a worker with the tuple's elements, and waits.
  /// @param f a function, a lambda without captures, a function object that travels, or `partial(f, bound...)`
  /// @return what `f` returns
  /// @throws what `f` throws; ShutdownError after `close` or `terminate`; BrokenProcessPool; TerminatedWorkerError if
  /// its
  ///   worker died; SerializationError
  /// Thread-safe. Python: `Pool.apply`.
  template <class F, class... Args>
  detail::SubmitResult<F, Args...> apply(F f, std::tuple<Args...> args = {}) {
    return submit(f, args).result();
  }
  /// Starts `f` with the tuple's elements and does not wait.
  /// @param callback takes the value (nothing for void) once it is there; it runs on a thread of the library, before
  ///   `get()` and `wait()` of the result return
  /// @param error_callback takes the std::exception_ptr of a task that failed, in place of `callback`
  /// @return AsyncResult<R>, where R is what `f` returns
  /// @throws ShutdownError after `close` or `terminate`; BrokenProcessPool. What `f` throws comes out of `get()`
  /// Thread-safe. Python: `Pool.apply_async`.
  template <class F, class... Args>
  AsyncResult<detail::SubmitResult<F, Args...>> apply_async(
      F f, std::tuple<Args...> args = {},
      typename detail::CallbackOf<detail::SubmitResult<F, Args...>>::type callback = {},
      detail::ErrorCallback error_callback = {}) {
    using T = detail::SubmitResult<F, Args...>;
    auto inner = submit(f, args);
    if (!callback && !error_callback) return AsyncResult<T>(inner);
    const detail::Ref<typename Future<T>::State> outer(new typename Future<T>::State);
    inner.add_done_callback(
        [outer, callback = std::move(callback), error_callback = std::move(error_callback)](const Future<T>& ended) {
          detail::finish_async<T>(outer, callback, error_callback, [&] { return ended.result(); });
        });
    return AsyncResult<T>(Future<T>(outer));
  }

  /// Runs `f` on every element, and waits until all have ended.
  /// @param chunksize items for each chunk that a worker is handed. Default: chosen and adapted by the library
  /// @return std::vector<R> in the order of the input, where R is what `f` returns (`std::monostate` for void)
  /// @throws the first error in the order of the input, once all items have ended; what the input throws;
  ///   std::invalid_argument for a chunk below 1; ShutdownError after `close` or `terminate`; BrokenProcessPool
  /// Thread-safe. Python: `Pool.map`.
  template <class F, std::ranges::input_range Range>
  std::vector<detail::MapResult<F, Range>> map(F f, Range&& iterable, std::optional<int> chunksize = {}) {
    auto results = detail::map_ranges(*link_, request_of(chunksize), f, std::forward<Range>(iterable));
    return collect(results);
  }
  /// The same with arguments already grouped in tuples. Python: `Pool.starmap`.
  template <class F, std::ranges::input_range Range>
  std::vector<detail::StarmapResult<F, Range>> starmap(F f, Range&& tuples, std::optional<int> chunksize = {}) {
    auto results = detail::starmap_range(*link_, request_of(chunksize), f, std::forward<Range>(tuples));
    return collect(results);
  }
  /// `map` without waiting.
  /// @param callback takes all values, `error_callback` the first error; only one of them is called, once
  /// @return AsyncResult<std::vector<R>>
  /// @throws as `map`, but for the errors of the tasks, which come out of `get()`
  /// Thread-safe. Python: `Pool.map_async`.
  template <class F, std::ranges::input_range Range, class Callback = std::nullptr_t>
  AsyncResult<std::vector<detail::MapResult<F, Range>>> map_async(F f, Range&& iterable,
                                                                  std::optional<int> chunksize = {},
                                                                  Callback callback = {},
                                                                  detail::ErrorCallback error_callback = {}) {
    using R = detail::MapResult<F, Range>;
    return collect_async<R>(callback, std::move(error_callback), [&](std::function<void()> told) {
      return detail::map_ranges_told(*link_, request_of(chunksize), std::move(told), f, std::forward<Range>(iterable));
    });
  }
  /// `starmap` without waiting; as `map_async`. Python: `Pool.starmap_async`.
  template <class F, std::ranges::input_range Range, class Callback = std::nullptr_t>
  AsyncResult<std::vector<detail::StarmapResult<F, Range>>> starmap_async(F f, Range&& tuples,
                                                                          std::optional<int> chunksize = {},
                                                                          Callback callback = {},
                                                                          detail::ErrorCallback error_callback = {}) {
    using R = detail::StarmapResult<F, Range>;
    return collect_async<R>(callback, std::move(error_callback), [&](std::function<void()> told) {
      return detail::starmap_range_told(*link_, request_of(chunksize), std::move(told), f, std::forward<Range>(tuples));
    });
  }

  /// Results one by one, in the order of the input. Lazy: the input is read at most `buffersize` chunks ahead of what
  /// was taken, so endless inputs work. An lvalue input must outlive the results.
  /// @param chunksize items for each chunk that a worker is handed
  /// @param buffersize chunks to read ahead. Default: 4 for each worker
  /// @return MapResults<R>, where R is what `f` returns (`std::monostate` for void); for one thread at a time
  /// @throws std::invalid_argument for numbers below 1; ShutdownError after `close` or `terminate`; BrokenProcessPool.
  ///   What tasks throw comes out of the results
  /// Thread-safe. Python: `Pool.imap`.
  template <class F, std::ranges::input_range Range>
  MapResults<detail::MapResult<F, Range>> imap(F f, Range&& iterable, int chunksize = 1,
                                               std::optional<int> buffersize = {}) {
    return detail::map_ranges(*link_, lazy_request(chunksize, buffersize, false), f, std::forward<Range>(iterable));
  }
  /// The same in the order in which they finish. Python: `Pool.imap_unordered`.
  template <class F, std::ranges::input_range Range>
  MapResults<detail::MapResult<F, Range>> imap_unordered(F f, Range&& iterable, int chunksize = 1,
                                                         std::optional<int> buffersize = {}) {
    return detail::map_ranges(*link_, lazy_request(chunksize, buffersize, true), f, std::forward<Range>(iterable));
  }

  /// Takes no more work; what was submitted is finished.
  void close() {
    closed_ = true;
    link_->close(false);
  }
  /// Ends the workers now: what has not begun throws CancelledError, what runs BrokenProcessPool.
  void terminate() {
    closed_ = true;
    link_->stop(SIGTERM);
  }
  /// Waits until all work is done and all workers have ended. @throws std::logic_error before `close` or `terminate`
  void join() {
    if (!closed_) throw std::logic_error("Pool is still running");
    link_->wait_ended();
  }
  /// What has become of the tasks so far, where the time went, and what to do about it. After `join` too.
  [[nodiscard]] Insights insights() const { return link_->insights(); }

 private:
  static PoolOptions with_processes(std::integral auto number) {
    PoolOptions options;
    options.processes = std::in_range<int>(number) ? static_cast<int>(number)
                        : number < 0               ? -1
                                                   : std::numeric_limits<int>::max();
    return options;
  }
  static detail::PoolConfig config_of(const PoolOptions& options) {
    detail::PoolConfig config;
    config.facade = detail::Facade::pool;
    config.max_workers = options.processes;
    config.threads_per_worker = options.threads_per_worker;
    const detail::KeepAliveScope scope(config.keep_alives);
    if (options.initializer) detail::encode(config.initializer, options.initializer);
    config.max_tasks_per_child = options.maxtasksperchild;
    config.mp_context = options.mp_context;
    config.replace_lost_workers = true;
    if (options.task_timeout.has_value()) config.task_timeout = options.task_timeout.value();
    return config;
  }
  static detail::MapRequest request_of(const std::optional<int>& chunksize) {
    detail::check_positive(chunksize, "chunksize");
    detail::MapRequest request;
    request.chunksize = chunksize;
    return request;
  }
  detail::MapRequest lazy_request(int chunksize, const std::optional<int>& buffersize, bool unordered) const {
    detail::MapRequest request = request_of(chunksize);
    detail::check_positive(buffersize, "buffersize");
    request.buffersize = static_cast<std::uint64_t>(buffersize.value_or(4 * link_->max_workers()));
    request.unordered = unordered;
    return request;
  }
  template <class F, class... Args>
  auto submit(const F& f, const std::tuple<Args...>& args) {
    return std::apply([&](const Args&... each) { return detail::submit_task(*link_, nullptr, f, each...); }, args);
  }
  /// All results; each has ended before the first error is thrown.
  template <class R>
  static std::vector<R> collect(MapResults<R>& results) {
    std::vector<R> all;
    std::exception_ptr first;
    while (true) {
      try {
        auto rest = results.to_vector_as_thrown();
        if (first) std::rethrow_exception(std::exchange(first, nullptr));
        if (all.empty()) return rest;
        std::move(rest.begin(), rest.end(), std::back_inserter(all));
        return all;
      } catch (...) {
        if (!first && results.finished()) throw;
        if (!first) first = std::current_exception();
      }
    }
  }
  template <class R, class Callback, class Start>
  static AsyncResult<std::vector<R>> collect_async(const Callback& callback, detail::ErrorCallback error_callback,
                                                   Start&& start) {
    using All = std::vector<R>;
    using State = typename Future<All>::State;
    typename detail::CallbackOf<All>::type told;
    if constexpr (!std::is_same_v<Callback, std::nullptr_t>) told = callback;
    const detail::Ref<State> outer(new State);
    // The results are there before anybody can be told that they are complete: who is told waits for them to be put
    // here.
    const auto shared = std::make_shared<detail::Handover<MapResults<R>>>();
    auto results = start([outer, shared, told = std::move(told), error_callback = std::move(error_callback)] {
      auto complete = shared->take();
      detail::finish_async<All>(outer, told, error_callback, [&] { return collect(complete); });
    });
    shared->put(std::move(results));
    return AsyncResult<All>(Future<All>(outer));
  }

  std::shared_ptr<detail::PoolClient> link_;
  std::atomic<bool> closed_{false};
};

}  // namespace rankpool::inline v0_2
