#pragma once

#include "watch/event.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace rankpool::watch {

/// The way from the engine to the observer thread: events in a row, in memory that is never given back while it lives.
///
///     words   read | written, not read | free          (indices count for ever)
///                  ^ tail_             ^ head_
///
/// One thread at a time appends (the engine, or who does its work while it sleeps), one reads. Nothing is ever
/// overwritten: a full ring makes the writer wait, so that a trace is complete; if the reader then takes nothing for
/// `pace::kWatcherStuck` (a hanging disk), the events are dropped and counted, because the job must go on.
class EventRing {
 public:
  /// 16 MiB, of which only what is used is touched: the times of two million tasks.
  static constexpr std::size_t kWords = std::size_t{1} << 21U;

  explicit EventRing(std::size_t words = kWords);
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  // -- the writer
  void append(const Event& event) noexcept { append(event, {}); }
  /// `words` is what stands behind the event; longer lists than a quarter of the ring are to be split by the caller.
  void append(const Event& event, std::span<const std::uint64_t> words) noexcept;
  [[nodiscard]] std::size_t longest_list() const noexcept { return capacity_ / 4; }

  // -- the reader
  /// Calls `take(event, words)` for each event that is there; returns how many.
  template <class Take>
  std::size_t read(Take&& take) {
    std::size_t events = 0;
    std::uint64_t told = tail_.load(std::memory_order_relaxed);
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    while (tail != head) {
      Event event;
      copy_out(tail, &event, kEventWords);
      tail += kEventWords;
      const std::size_t more = event.trailing_words();
      scratch_.resize(more);
      copy_out(tail, scratch_.data(), more);
      tail += more;
      tail_.store(tail, std::memory_order_release);
      take(event, std::span<const std::uint64_t>(scratch_));
      ++events;
      if (tail - told >= capacity_ / 16 || tail == head) {
        tell_of_room();
        told = tail;
      }
    }
    return events;
  }
  [[nodiscard]] bool empty() const noexcept {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_relaxed);
  }
  /// What ends a sleep besides its time and `interrupt`.
  enum class Until : std::uint32_t { event = 1, half_full = 2 };
  void sleep(Until until, Time at_most) noexcept;
  /// Any thread: ends a `sleep`, or the next one.
  void interrupt() noexcept;
  /// Events that found no room and nobody who took any.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kEventWords = sizeof(Event) / sizeof(std::uint64_t);

  bool await_room(std::size_t words) noexcept;
  void tell_of_room() noexcept;
  void wake() noexcept;
  void copy_in(std::uint64_t at, const void* from, std::size_t words) noexcept;
  void copy_out(std::uint64_t at, void* to, std::size_t words) const noexcept;

  const std::size_t capacity_;  ///< a power of two
  std::unique_ptr<std::uint64_t[]> words_;
  std::vector<std::uint64_t> scratch_;  ///< the reader's
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t seen_tail_ = 0;  ///< the writer's: what it last knew of `tail_`
  bool given_up_ = false;        ///< the writer's: the reader takes nothing any more
  std::atomic<std::uint64_t> dropped_{0};
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  alignas(64) std::atomic<std::uint32_t> asleep_{0};  ///< futex of the reader: an Until, or 0
  std::atomic<bool> interrupted_{false};
  std::atomic<std::uint32_t> writer_waits_{0};  ///< futex of the writer: 1 while it waits for room
};

}  // namespace rankpool::watch
