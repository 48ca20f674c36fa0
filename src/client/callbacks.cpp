#include "client/callbacks.hpp"

#include "base/thread_without_signals.hpp"

#include <pthread.h>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace rankpool::client {
namespace {

class CallbackThread {
 public:
  void start() {
    const std::lock_guard lock(mutex_);
    if (!running_) start_thread();
  }
  void post(std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex_);
      if (!running_) start_thread();
      queue_.push_back(std::move(callback));
      ++posted_;
    }
    changed_.notify_all();  // without the lock, which the thread would wait for at once
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

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::uint64_t posted_ = 0;
  std::uint64_t ran_ = 0;
  bool running_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

thread_local bool g_on_callback_thread = false;

void CallbackThread::run() {
  pthread_setname_np(pthread_self(), "rankpool calls");
  g_on_callback_thread = true;
  std::unique_lock lock(mutex_);
  while (true) {
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

CallbackThread& instance() {
  static auto* const thread = new CallbackThread;  // used while static objects are destroyed
  return *thread;
}

}  // namespace

void start_callbacks() { instance().start(); }
void post_callback(std::function<void()> callback) { instance().post(std::move(callback)); }
void drain_callbacks() {
  if (!g_on_callback_thread) instance().drain();
}
void stop_callbacks() { instance().stop(); }
bool on_callback_thread() noexcept { return g_on_callback_thread; }

}  // namespace rankpool::client
