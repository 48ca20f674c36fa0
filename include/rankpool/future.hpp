#pragma once

#include <rankpool/detail/future_state.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <functional>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace rankpool::inline v0_2 {

/// The result of a task that may still be on its way. Python: `concurrent.futures.Future`.
///
/// A copyable handle: copies are the same future, which lives as long as one of them. All members are thread-safe. A
/// default-constructed one is empty, and its members throw InvalidStateError.
template <class T>
class Future {
 public:
  using value_type = T;

  Future() = default;

  /// Cancels the task if it has not been handed to a worker. True if it is cancelled; false if it runs or has ended.
  /// Runs the callbacks before it returns.
  bool cancel() { return state().cancel(); }
  [[nodiscard]] bool cancelled() const { return state().state() == Base::State::cancelled; }
  /// True from the moment the task is handed to a worker until it ends.
  [[nodiscard]] bool running() const { return state().state() == Base::State::running; }
  /// True if it has ended or was cancelled.
  [[nodiscard]] bool done() const { return state().done(); }

  /// Waits for the value and gives a copy.
  /// @throws the task's exception, TimeoutError, CancelledError, BrokenProcessPool
  T result(Timeout timeout = {}) const& {
    auto& own = finished(timeout);
    if constexpr (std::is_void_v<T>) {
      (void)own.stored_value();
    } else {
      return own.copy_value();
    }
  }
  /// The same for a future that is given up, as in `executor.submit(f).result()`: gives the value itself if no other
  /// copy of the future is left.
  T result(Timeout timeout = {}) && {
    auto& own = finished(timeout);
    if constexpr (std::is_void_v<T>) {
      (void)own.stored_value();
    } else {
      return own.take_value();
    }
  }
  /// Waits for the value and gives it where it lies: good as long as a copy of this future lives.
  template <class U = T>
  requires(!std::is_void_v<U>) const U& get_ref(Timeout timeout = {}) const {
    auto& own = state();
    own.wait_for_outcome(timeout);
    return own.stored_value();
  }
  /// Waits for the end and gives the task's exception, or null. @throws TimeoutError, CancelledError
  [[nodiscard]] std::exception_ptr exception(Timeout timeout = {}) const {
    auto& own = state();
    own.wait_for_outcome(timeout);
    return own.stored_exception();
  }
  /// Calls it once with this future when it is done: in the order in which they were added, on a thread of the library,
  /// in the thread that cancels, or at once in this thread if it is done already. What it throws is written to stderr.
  ///
  /// A future is done before its callbacks are called: they may still run, or not have begun, when `wait`, `result` or
  /// `as_completed` returns. `shutdown()` returns after all of them, unless it is called in one. (Python calls them in
  /// the thread that sets the result, and there they may still run, too.)
  /// @throws std::system_error if the library's thread cannot be started; then it is not called
  void add_done_callback(std::function<void(Future)> callback) const {
    state().add_callback([own = *this, call = std::move(callback)] { call(own); });
  }

  friend bool operator==(const Future&, const Future&) = default;
  /// "pending", "running", "cancelled", "finished with a long", "finished with std::out_of_range".
  friend std::string to_string(const Future& future) { return future.state().describe(); }
  friend std::ostream& operator<<(std::ostream& to, const Future& future) {
    return to << "Future: " << to_string(future);
  }

  // For the library's own use.
  using Base = detail::FutureBase;
  using State = detail::FutureState<std::conditional_t<std::is_void_v<T>, std::monostate, T>>;
  explicit Future(detail::Ref<State> own) : state_(std::move(own)) {}
  [[nodiscard]] State& state() const {
    if (!state_) throw InvalidStateError("the future is empty");
    return *state_;
  }

 private:
  [[nodiscard]] State& finished(const Timeout& timeout) const {
    static_assert(std::is_void_v<T> || detail::can_be_copied<T>(),
                  "rankpool: a result that cannot be copied is read in place with get_ref()");
    auto& own = state();
    own.wait_for_outcome(timeout);
    return own;
  }
  detail::Ref<State> state_;
};

}  // namespace rankpool::inline v0_2
