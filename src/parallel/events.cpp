#include "parallel/events.hpp"

#include <cerrno>
#include <csignal>
#include <utility>

namespace rankpool::parallel {
namespace {

/// Of 256 KiB each at most, in the library's queue and here.
constexpr std::size_t kPieces = 16;

/// SIGALRM ends the watch itself.
constexpr int kEndWatch = SIGALRM;

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) sigaddset(&set, signal);
  }
  sigaddset(&set, kEndWatch);
  return set;
}

}  // namespace

void Events::post(Event event) {
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<Piece>(event)) ++pieces_;
  events_.push_back(std::move(event));
  if (events_.size() == 1) come_.notify_one();
}

std::optional<Event> Events::wait(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  const auto some = [&] { return !events_.empty(); };
  if (until == std::chrono::steady_clock::time_point::max()) {
    come_.wait(lock, some);
  } else {
    come_.wait_until(lock, until, some);
  }
  return take();
}

std::optional<Event> Events::poll() {
  const std::lock_guard lock(mutex_);
  return take();
}

std::optional<Event> Events::take() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  if (std::holds_alternative<Piece>(event) && --pieces_ < kPieces) room_.notify_one();
  return event;
}

void Events::wait_for_room() {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return pieces_ < kPieces || !looking_; });
}

void Events::stop_looking() {
  const std::lock_guard lock(mutex_);
  looking_ = false;
  room_.notify_one();
}

SignalWatch::SignalWatch(Events& events) : events_(events) {
  const sigset_t watched = watched_signals();
  ::pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  thread_ = std::thread([this, watched] {
    siginfo_t info{};
    while (true) {
      const int signal = ::sigwaitinfo(&watched, &info);
      if (signal == kEndWatch || (signal < 0 && errno != EINTR)) return;
      if (signal > 0) events_.post(StopSignal{.number = signal, .sender = info.si_pid});
    }
  });
}

SignalWatch::~SignalWatch() {
  ::pthread_kill(thread_.native_handle(), kEndWatch);
  thread_.join();
}

PieceReader::PieceReader(Events& events) : events_(events), queue_(kPieces) {
  thread_ = std::thread([queue = queue_, &events] {
    try {
      while (true) {
        events.wait_for_room();
        Piece piece = queue.get();
        if (piece.seq == 0) return;
        events.post(std::move(piece));
      }
    } catch (const Error&) {
      // The job is over; whoever waits for a command is told by its future.
    }
  });
}

PieceReader::~PieceReader() {
  events_.stop_looking();
  try {
    queue_.put({});
  } catch (const Error&) {
    // The thread has been told the same.
  }
  thread_.join();
}

}  // namespace rankpool::parallel
