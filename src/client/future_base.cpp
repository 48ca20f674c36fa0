#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/stand_in.hpp>
#include <rankpool/detail/what_of.hpp>

#include "base/forked_copy.hpp"
#include "base/futex.hpp"
#include "base/log.hpp"
#include "client/callbacks.hpp"

#include <rankpool/errors.hpp>

#include <array>
#include <mutex>
#include <optional>
#include <typeinfo>
#include <utility>

namespace rankpool::inline v0_2::detail {
namespace {

std::mutex& lock_of(const void* address) {
  static std::array<std::mutex, 64> locks;
  return locks[(reinterpret_cast<std::uintptr_t>(address) >> 6U) % locks.size()];
}

}  // namespace

struct FutureBase::Listeners {
  std::vector<Callback> callbacks;
  std::optional<client::AwaitedCallback> awaited;  ///< while the future is not done, if there are callbacks
  std::vector<std::pair<Watcher*, std::size_t>> watchers;
  bool running = false;  ///< callbacks of the end are under way on the callback thread
};

FutureBase::FutureBase() = default;
FutureBase::~FutureBase() = default;

bool FutureBase::begin_running() noexcept {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  while (true) {
    const auto now = static_cast<State>(word & kState);
    if (now == State::running) return true;
    if (now != State::pending || (word & kClaimed) != 0) return false;
    if (word_.compare_exchange_weak(word, word | static_cast<std::uint32_t>(State::running),
                                    std::memory_order_acq_rel)) {
      return true;
    }
  }
}

bool FutureBase::claim() noexcept {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  while (true) {
    if ((word & kClaimed) != 0 || static_cast<State>(word & kState) >= State::cancelled) return false;
    if (word_.compare_exchange_weak(word, word | kClaimed, std::memory_order_acq_rel)) return true;
  }
}

bool FutureBase::cancel() {
  std::uint32_t word = word_.load(std::memory_order_acquire);
  while (true) {
    const auto now = static_cast<State>(word & kState);
    if (now == State::cancelled) return true;
    if (now != State::pending || (word & kClaimed) != 0) return false;
    if (word_.compare_exchange_weak(word, word | kClaimed, std::memory_order_acq_rel)) break;
  }
  drop_input();  // nobody reads it: the task was not handed out, and will not be
  finish(State::cancelled, true);
  return true;
}

void FutureBase::finish(State state, bool inline_callbacks) noexcept {
  const Ref<FutureBase> keep(this);
  const std::uint32_t before = word_.exchange(static_cast<std::uint32_t>(state), std::memory_order_seq_cst);
  if ((before & kWaited) != 0) base::wake_all_on(word_, base::FutexOf::this_process);
  if ((before & kStandIn) != 0) end_stand_in();
  if ((before & kListeners) == 0) return;
  std::vector<Callback> callbacks;
  std::optional<client::AwaitedCallback> awaited;  // until they are posted
  {
    // Watchers are told under the lock: one that is removed in the meantime is not told any more.
    const std::lock_guard lock(lock_of(this));
    for (const auto& [watcher, index] : listeners_->watchers) watcher->future_done(index);
    listeners_->watchers.clear();
    callbacks = std::move(listeners_->callbacks);
    awaited = std::exchange(listeners_->awaited, std::nullopt);
    if (callbacks.empty()) {
      listeners_.reset();
    } else {
      listeners_->callbacks.clear();
      listeners_->running = true;
    }
  }
  if (!callbacks.empty()) run_callbacks(std::move(callbacks), inline_callbacks);
}

void FutureBase::run_callbacks(std::vector<Callback> callbacks, bool inline_callbacks) noexcept {
  auto run = [keep = Ref<FutureBase>(this), list = std::move(callbacks)]() mutable {
    while (true) {
      for (auto& callback : list) {
        try {
          callback();
        } catch (...) {
          report_callback_error(keep->describe());
        }
        callback = nullptr;
      }
      // Those that came meanwhile have waited for their turn.
      const std::lock_guard lock(lock_of(keep.get()));
      if (keep->listeners_->callbacks.empty()) {
        keep->listeners_.reset();
        return;
      }
      list = std::exchange(keep->listeners_->callbacks, {});
    }
  };
  if (inline_callbacks) {
    run();
  } else {
    post_to_callback_thread(std::move(run));
  }
}

void FutureBase::add_callback(Callback callback) {
  {
    const std::lock_guard lock(lock_of(this));
    if (!done()) {
      if (!listeners_) listeners_ = std::make_unique<Listeners>();
      if (!listeners_->awaited) listeners_->awaited.emplace();
      listeners_->callbacks.push_back(callback);
      const std::uint32_t before = word_.fetch_or(kListeners, std::memory_order_acq_rel);
      if (static_cast<State>(before & kState) < State::cancelled) return;
      listeners_->callbacks.pop_back();  // it has ended this moment
      if (listeners_->callbacks.empty() && listeners_->watchers.empty() && !listeners_->running) listeners_.reset();
    }
    if (listeners_ && (listeners_->running || !listeners_->callbacks.empty()) && !client::on_callback_thread()) {
      listeners_->callbacks.push_back(std::move(callback));  // earlier ones come first
      return;
    }
  }
  try {
    callback();
  } catch (...) {
    report_callback_error(describe());
  }
}

bool FutureBase::add_watcher(Watcher* watcher, std::size_t index) {
  const std::lock_guard lock(lock_of(this));
  if (done()) return false;
  if (!listeners_) listeners_ = std::make_unique<Listeners>();
  listeners_->watchers.emplace_back(watcher, index);
  const std::uint32_t before = word_.fetch_or(kListeners, std::memory_order_acq_rel);
  if (static_cast<State>(before & kState) < State::cancelled) return true;
  listeners_->watchers.pop_back();
  return false;
}

void FutureBase::remove_watcher(Watcher* watcher) noexcept {
  const std::lock_guard lock(lock_of(this));
  if (!listeners_) return;
  std::erase_if(listeners_->watchers, [&](const auto& entry) { return entry.first == watcher; });
}

bool FutureBase::wait(const Timeout& timeout) const {
  if (done()) return true;
  if (base::is_forked_copy()) throw Error(base::copy_complaint("a future that was not done"));
  const auto deadline = timeout.deadline();
  word_.fetch_or(kStandIn, std::memory_order_seq_cst);
  const auto is_done = [this] {
    return static_cast<State>(word_.load(std::memory_order_seq_cst) & kState) >= State::cancelled;
  };
  stand_in_until(is_done, deadline);
  if (done()) return true;
  while (true) {
    const std::uint32_t word = word_.fetch_or(kWaited, std::memory_order_acq_rel) | kWaited;
    if (static_cast<State>(word & kState) >= State::cancelled) return true;
    if (deadline && Timeout::Clock::now() >= *deadline) return false;
    base::sleep_on(word_, word, deadline, base::FutexOf::this_process);
  }
}

void FutureBase::wait_for_outcome(const Timeout& timeout) const {
  if (!wait(timeout)) throw TimeoutError();
  if (state() == State::cancelled) throw CancelledError();
}

std::string FutureBase::describe() {
  switch (state()) {
    case State::pending:
      return "pending";
    case State::running:
      return "running";
    case State::cancelled:
      return "cancelled";
    case State::finished:
      break;
  }
  const auto error = stored_exception();
  if (!error) return "finished with a " + value_type_name();
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return "finished with " + exception_type_name(typeid(e));
  } catch (...) {
    return "finished with an exception";
  }
}

void post_to_callback_thread(std::function<void()> callback) noexcept {
  try {
    client::post_callback(std::move(callback));
  } catch (...) {
    base::log_error("a callback is lost: out of memory, or of threads");
  }
}

void report_callback_error(const std::string& future) noexcept {
  try {
    try {
      throw;
    } catch (const std::exception& e) {
      base::log_error("a callback of a future (" + future + ") threw " + exception_type_name(typeid(e)) + ": " +
                      what_of(e));
    } catch (...) {
      base::log_error("a callback of a future (" + future + ") threw something that is not a std::exception");
    }
  } catch (...) {
    base::log_error("a callback of a future threw");
  }
}

}  // namespace rankpool::inline v0_2::detail
