#include "watch/observer.hpp"

#include "base/log.hpp"
#include "base/pace.hpp"
#include "base/thread_without_signals.hpp"

#include <pthread.h>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <string>

namespace rankpool::watch {
namespace {

constexpr Time kNap = std::chrono::nanoseconds(pace::kReadEvents).count();
/// Without events and without anything to draw.
constexpr Time kSleep = 3600 * kSecond;

}  // namespace

Observer::Observer(TaskBook::Namer namer) : book_(names_, std::move(namer)) {}

Observer::~Observer() { end(); }

Time Observer::now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Observer::start() {
  thread_ = base::thread_without_signals([this] { thread_main(); });
}

void Observer::end() {
  if (!thread_.joinable()) return;
  ending_.store(true);
  ring_.interrupt();
  thread_.join();
}

void Observer::thread_main() noexcept {
  pthread_setname_np(pthread_self(), "rankpool watch");
  try {
    loop();
  } catch (const std::exception& e) {
    base::log_error(std::string("nothing is watched any more: ") + e.what());
  } catch (...) {
    base::log_error("nothing is watched any more");
  }
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

void Observer::loop() {
  const TaskBook::Emit emit = [&](const TaskRun& run) {
    for (const auto& reader : readers_) reader->run(run, book_);
  };
  while (true) {
    const bool last = ending_.load();
    const std::size_t events = ring_.read([&](const Event& event, std::span<const std::uint64_t> words) {
      // Readers may ask for the work that ends with this event.
      const bool ends = event.what == What::work_ended;
      if (!ends) book_.take(event, words, emit);
      for (const auto& reader : readers_) reader->event(event, book_);
      if (ends) book_.take(event, words, emit);
    });
    book_.set_dropped(ring_.dropped());
    const Time time = now();
    for (const auto& reader : readers_) reader->tick(time, book_);
    if (last && ring_.empty()) {
      for (const auto& reader : readers_) reader->end(time, book_);
      return;
    }
    Time until = time + kSleep;
    for (const auto& reader : readers_) until = std::min(until, reader->next(time));
    if (events != 0) {
      ring_.sleep(EventRing::Until::half_full, std::min(kNap, std::max<Time>(until - time, kMillisecond)));
    } else {
      ring_.sleep(EventRing::Until::event, std::max<Time>(until - time, kMillisecond));
    }
  }
}

void Observer::finished(std::uint64_t work) {
  {
    const std::lock_guard lock(mutex_);
    finished_.insert(work);
  }
  changed_.notify_all();
}

void Observer::await_finished(std::uint64_t work) {
  ring_.interrupt();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, pace::kLastLine, [&] { return ended_ || finished_.contains(work); });
  finished_.erase(work);
}

}  // namespace rankpool::watch
