#pragma once

#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/timeout.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// What stands behind a future, whatever its type: the states and who waits.
///
///     pending ──► running ──► finished      finished: a value, an exception, or what will become one when it is asked
///     for
///        └──────► cancelled
///
/// A future is small because a program may have a million of them: waiting is by futex on the state word, callbacks are
/// a list that is made when the first one comes, and locks are shared by address. All public members are thread-safe.
class FutureBase : public ResultReceiver {
 public:
  enum class State : std::uint32_t { pending = 0, running = 1, cancelled = 2, finished = 3 };

  [[nodiscard]] State state() const noexcept {
    return static_cast<State>(word_.load(std::memory_order_acquire) & kState);
  }
  [[nodiscard]] bool done() const noexcept { return state() >= State::cancelled; }
  /// True if it is cancelled now, by this call or before. Frees the task, and runs the callbacks.
  bool cancel();
  /// Waits until it is done; false if the time ran out.
  bool wait(const Timeout& timeout) const;
  /// Waits, and throws TimeoutError or CancelledError.
  void wait_for_outcome(const Timeout& timeout) const;

  using Callback = std::function<void()>;
  /// Calls it when the future is done: at once if it is, else on the callback thread, or in the thread that cancels.
  void add_callback(Callback callback);

  /// Told, at once and in the thread that ends the future, when it is done. Must not block.
  class Watcher {
   public:
    virtual void future_done(std::size_t index) noexcept = 0;

   protected:
    ~Watcher() = default;
  };
  /// False, and nothing is kept, if the future is done already.
  bool add_watcher(Watcher* watcher, std::size_t index);
  void remove_watcher(Watcher* watcher) noexcept;

  /// The exception that it ended with, or null. It must be finished.
  [[nodiscard]] virtual std::exception_ptr stored_exception() = 0;
  /// The name of the type of its value.
  [[nodiscard]] virtual std::string value_type_name() const = 0;
  /// "pending", "running", "cancelled", "finished with a long", "finished with std::out_of_range".
  [[nodiscard]] std::string describe();

  /// Ends it as `state`, from the engine's thread or another; false if it had ended. The outcome must be stored before:
  /// `claim` says who may store it.
  bool claim() noexcept;
  void finish(State state, bool inline_callbacks) noexcept;

 protected:
  FutureBase();
  ~FutureBase() override;
  bool begin_running() noexcept;
  /// Frees the encoded task and what it keeps alive. Called by who has claimed the outcome.
  virtual void drop_input() noexcept = 0;

 private:
  struct Listeners;
  static constexpr std::uint32_t kState = 3;
  static constexpr std::uint32_t kWaited = 4;     ///< somebody sleeps on the word
  static constexpr std::uint32_t kListeners = 8;  ///< there are callbacks or watchers
  static constexpr std::uint32_t kClaimed = 16;   ///< somebody is storing the outcome
  static constexpr std::uint32_t kStandIn = 32;   ///< somebody waits in the engine's place

  void run_callbacks(std::vector<Callback> callbacks, bool inline_callbacks) noexcept;

  mutable std::atomic<std::uint32_t> word_{0};
  std::unique_ptr<Listeners> listeners_;  // guarded by the lock of this address
};

/// Runs it on the library's own thread for callbacks. Never throws: for want of memory it is lost, and that is said.
void post_to_callback_thread(std::function<void()> callback) noexcept;

/// Says on stderr what a callback threw.
void report_callback_error(const std::string& future) noexcept;

}  // namespace rankpool::inline v0_2::detail
