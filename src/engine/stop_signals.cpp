#include "engine/stop_signals.hpp"

#include "engine/engine.hpp"

#include <sched.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <mutex>

namespace rankpool::engine::stop_signals {
namespace {

/// The same request may come twice: from the launcher through the keeper, and from a batch system to every process. On
/// a busy node the second is late; then it is known by its other sender.
constexpr std::int64_t kSameRequest = 250'000'000;        // ns
constexpr std::int64_t kOfAnotherSender = 2'000'000'000;  // ns

// Read by the handler: all lock-free.
std::atomic<Engine*> g_engine{nullptr};
std::atomic<pid_t> g_owner{0};
std::atomic<bool> g_watched{false};
std::atomic<std::uint64_t> g_requested{0};  ///< a Request, or 0
std::atomic<std::int64_t> g_requested_at{INT64_MAX};
std::atomic<int> g_inside{0};  ///< handlers at work

std::mutex g_mutex;  // of those below

struct Request {
  int signal = 0;
  pid_t sender = 0;
  [[nodiscard]] std::uint64_t packed() const {
    return std::uint64_t{static_cast<std::uint32_t>(sender)} << 32 | static_cast<std::uint32_t>(signal);
  }
};
Request unpacked(std::uint64_t request) {
  return {static_cast<int>(request & UINT32_MAX), static_cast<pid_t>(request >> 32)};
}

std::int64_t now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void do_what_it_always_does(int signal) {
  ::signal(signal, SIG_DFL);
  ::raise(signal);  // delivered when the handler returns
}

bool is_same_request(const Request& first, const Request& second) {
  const std::int64_t later = now() - g_requested_at.load();
  if (later <= kSameRequest) return true;  // or another handler is about to write when it came
  return first.signal == second.signal && first.sender != second.sender && later <= kOfAnotherSender;
}

extern "C" void on_stop_signal(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  g_inside.fetch_add(1);
  Engine* const engine = g_engine.load();
  const Request request{signal, info->si_pid};
  std::uint64_t first = 0;
  if (engine == nullptr || ::getpid() != g_owner.load()) {
    do_what_it_always_does(signal);
  } else if (g_requested.compare_exchange_strong(first, request.packed())) {
    g_requested_at.store(now());
    engine->ask_to_stop(signal, !g_watched.load());
  } else if (!is_same_request(unpacked(first), request)) {
    do_what_it_always_does(signal);
  }
  g_inside.fetch_sub(1);
  errno = saved;
}

void install(int signal) {
  struct sigaction before {};
  if (::sigaction(signal, nullptr, &before) != 0 || (before.sa_flags & SA_SIGINFO) != 0) return;
  if (before.sa_handler != SIG_DFL) return;
  struct sigaction own {};
  own.sa_sigaction = on_stop_signal;
  own.sa_flags = SA_RESTART | SA_SIGINFO;
  sigemptyset(&own.sa_mask);
  ::sigaction(signal, &own, nullptr);
}

void remove(int signal) {
  struct sigaction before {};
  if (::sigaction(signal, nullptr, &before) != 0 || (before.sa_flags & SA_SIGINFO) == 0) return;
  if (before.sa_sigaction == on_stop_signal) ::signal(signal, SIG_DFL);
}

}  // namespace

void attach(Engine& engine, bool launched) {
  const std::lock_guard lock(g_mutex);
  g_owner.store(::getpid());
  g_engine.store(&engine);
  if (launched) {
    for (const int signal : {SIGTERM, SIGINT}) install(signal);
  }
}

void detach() {
  const std::lock_guard lock(g_mutex);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) remove(signal);
  g_engine.store(nullptr);
  while (g_inside.load() != 0) ::sched_yield();
}

void watch() {
  if (g_watched.load() || g_engine.load() == nullptr) return;
  const std::lock_guard lock(g_mutex);
  if (g_engine.load() == nullptr || g_watched.exchange(true)) return;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) install(signal);
}

bool requested() noexcept { return g_requested.load() != 0; }

}  // namespace rankpool::engine::stop_signals
