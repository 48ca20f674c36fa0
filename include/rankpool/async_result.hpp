#pragma once

#include <rankpool/errors.hpp>
#include <rankpool/future.hpp>
#include <rankpool/timeout.hpp>

#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2 {

/// The result of `apply_async` and its kin. Python: `multiprocessing.pool.AsyncResult`.
///
/// Copies are handles to one result. Thread-safe. It is ready once its callback, if it was given one, has run.
template <class T>
class AsyncResult {
 public:
  AsyncResult() = default;

  /// Waits for the value. @throws the task's exception, TimeoutError; after `terminate` CancelledError or
  /// BrokenProcessPool
  T get(Timeout timeout = {}) const { return future_.result(timeout); }
  /// Waits until it is ready or the time is up; throws neither the task's exception nor TimeoutError.
  void wait(Timeout timeout = {}) const { (void)future_.state().wait(timeout); }
  [[nodiscard]] bool ready() const { return future_.done(); }
  /// True if it ended without an exception. @throws InvalidStateError if it is not ready
  [[nodiscard]] bool successful() const {
    if (!ready()) throw InvalidStateError("the result is not ready");
    return !future_.cancelled() && !future_.exception();
  }

  // For the library's own use.
  explicit AsyncResult(Future<T> future) : future_(std::move(future)) {}

 private:
  Future<T> future_;
};

namespace detail {

/// What a callback of `apply_async` takes.
template <class T>
struct CallbackOf {
  using type = std::function<void(const T&)>;
};
template <>
struct CallbackOf<void> {
  using type = std::function<void()>;
};
using ErrorCallback = std::function<void(std::exception_ptr)>;

/// The outcome of a call, passed to the callback for it; then `to` has it.
template <class T, class Call>
void finish_async(const Ref<typename Future<T>::State>& to, const typename CallbackOf<T>::type& callback,
                  const ErrorCallback& error_callback, Call&& call) {
  const auto told = [](auto&& tell) {
    try {
      tell();
    } catch (...) {
      report_callback_error("AsyncResult");
    }
  };
  try {
    if constexpr (std::is_void_v<T>) {
      call();
      if (callback) told(callback);
      to->set_value({});
    } else {
      T value = call();
      if (callback) told([&] { callback(value); });
      to->set_value(std::move(value));
    }
  } catch (...) {
    const auto error = std::current_exception();
    if (error_callback) told([&] { error_callback(error); });
    to->set_exception(error);
  }
}

}  // namespace detail

}  // namespace rankpool::inline v0_2
