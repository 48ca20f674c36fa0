#include "client/callbacks.hpp"

#include <rankpool/detail/stand_in.hpp>

#include "base/thread_without_signals.hpp"

#include <pthread.h>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace rankpool::client {
namespace {

class CallbackThread {
 public:
  void await_one() {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) start_thread();
    }
    awaited_.fetch_add(1);
  }
  /// Takes no lock: a process that was forked comes here, too.
  void no_longer_await_one() noexcept {
    if (awaited_.fetch_sub(1) == 1) end_stand_in();
  }
  void post(std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) start_thread();
      queue_.push_back(std::move(callback));
      ++posted_;
    }
    changed_.notify_all();  // without the lock, which the thread would wait for at once
    end_stand_in();
  }
  void drain() {
    std::unique_lock lock(mutex_);
    const std::uint64_t wanted = posted_;
    changed_.wait(lock, [&] { return ran_ >= wanted || !running_; });
  }
  void stop() {
    std::thread ended;
    {
      const std::lock_guard lock(mutex_);
      if (!running_) return;
      stopping_ = true;
      changed_.notify_all();
      ended = std::move(thread_);
    }
    end_stand_in();
    if (!ended.joinable()) return;
    if (ended.get_id() == std::this_thread::get_id()) {
      ended.detach();
    } else {
      ended.join();
    }
  }

 private:
  void start_thread() {
    try {
      thread_ = base::thread_without_signals([this] { run(); });
    } catch (const std::system_error& e) {
      throw std::system_error(e.code(), "the thread for callbacks cannot be started");
    }
    running_ = true;
    stopping_ = false;
  }
  void run();
  /// Until there is something to do, or nothing to wait for.
  void stand_in() noexcept;
  void end_stand_in() noexcept {
    if (standing_in_) detail::end_stand_in();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::uint64_t posted_ = 0;
  std::uint64_t ran_ = 0;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;
  std::atomic<std::uint64_t> awaited_{0};
  std::atomic<bool> standing_in_{false};  ///< the thread waits in the engine's place
};

thread_local bool g_on_callback_thread = false;

void CallbackThread::run() {
  pthread_setname_np(pthread_self(), "rankpool calls");
  g_on_callback_thread = true;
  std::unique_lock lock(mutex_);
  while (true) {
    if (queue_.empty() && !stopping_ && awaited_ > 0) {
      lock.unlock();
      stand_in();
      lock.lock();
    }
    changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) break;
    auto callback = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      callback();
    } catch (...) {  // futures report what their callbacks throw; nothing else is posted
    }
    callback = nullptr;
    lock.lock();
    ++ran_;
    changed_.notify_all();
  }
  running_ = false;
  changed_.notify_all();
}

void CallbackThread::stand_in() noexcept {
  const auto is_over = [this] {
    if (awaited_ == 0) return true;
    const std::lock_guard lock(mutex_);
    return stopping_ || !queue_.empty();
  };
  standing_in_ = true;
  detail::stand_in_until(is_over, std::nullopt, detail::WaitsFor::callbacks);
  standing_in_ = false;
}

CallbackThread& instance() {
  static auto* const thread = new CallbackThread;  // used while static objects are destroyed
  return *thread;
}

}  // namespace

AwaitedCallback::AwaitedCallback() { instance().await_one(); }
AwaitedCallback::~AwaitedCallback() {
  if (counted_) instance().no_longer_await_one();
}
void post_callback(std::function<void()> callback) { instance().post(std::move(callback)); }
void drain_callbacks() {
  if (!g_on_callback_thread) instance().drain();
}
void stop_callbacks() { instance().stop(); }
bool on_callback_thread() noexcept { return g_on_callback_thread; }

}  // namespace rankpool::client
