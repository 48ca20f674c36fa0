#include "watch/event_ring.hpp"

#include "base/futex.hpp"
#include "base/pace.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace rankpool::watch {

const char* outcome_name(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::error:
      return "error";
    case Outcome::skipped:
      return "skipped";
    case Outcome::lost:
      return "lost";
    case Outcome::timed_out:
      return "timed out";
    case Outcome::broken:
      return "broken";
    case Outcome::terminated:
      return "terminated";
  }
  return "unknown";
}

// Not make_unique, which would touch all of it.
EventRing::EventRing(std::size_t words) : capacity_(words), words_(new std::uint64_t[words]) {}

void EventRing::append(const Event& event, std::span<const std::uint64_t> words) noexcept {
  const std::size_t size = kEventWords + words.size();
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  if (capacity_ - static_cast<std::size_t>(head - seen_tail_) < size && !await_room(size)) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  copy_in(head, &event, kEventWords);
  copy_in(head + kEventWords, words.data(), words.size());
  head_.store(head + size, std::memory_order_seq_cst);
  const std::uint32_t asleep = asleep_.load(std::memory_order_seq_cst);
  if (asleep == 0) return;
  if (asleep == static_cast<std::uint32_t>(Until::event) || head + size - seen_tail_ > capacity_ / 2) wake();
}

bool EventRing::await_room(std::size_t words) noexcept {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const auto room = [&] {
    const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
    if (tail != seen_tail_) given_up_ = false;
    seen_tail_ = tail;
    return capacity_ - static_cast<std::size_t>(head - tail) >= words;
  };
  if (room()) return true;
  auto last_taken = std::chrono::steady_clock::now();
  while (!given_up_) {
    // Either the reader sees that we wait, or we see what it has taken.
    const std::uint64_t before = seen_tail_;
    writer_waits_.store(1, std::memory_order_seq_cst);
    if (!room()) {
      wake();
      base::sleep_on(writer_waits_, 1, std::chrono::steady_clock::now() + pace::kWatcherStuck,
                     base::FutexOf::this_process);
    }
    writer_waits_.store(0, std::memory_order_relaxed);
    if (room()) return true;
    const auto now = std::chrono::steady_clock::now();
    if (seen_tail_ != before) last_taken = now;
    given_up_ = now - last_taken >= pace::kWatcherStuck;
  }
  return false;
}

void EventRing::tell_of_room() noexcept {
  tail_.store(tail_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  if (writer_waits_.load(std::memory_order_seq_cst) == 0) return;
  writer_waits_.store(0, std::memory_order_seq_cst);
  base::wake_all_on(writer_waits_, base::FutexOf::this_process);
}

void EventRing::copy_in(std::uint64_t at, const void* from, std::size_t words) noexcept {
  if (words == 0) return;
  const auto begin = static_cast<std::size_t>(at & (capacity_ - 1));
  const std::size_t first = std::min(words, capacity_ - begin);
  std::memcpy(&words_[begin], from, first * sizeof(std::uint64_t));
  std::memcpy(words_.get(), static_cast<const std::uint64_t*>(from) + first, (words - first) * sizeof(std::uint64_t));
}

void EventRing::copy_out(std::uint64_t at, void* to, std::size_t words) const noexcept {
  if (words == 0) return;
  const auto begin = static_cast<std::size_t>(at & (capacity_ - 1));
  const std::size_t first = std::min(words, capacity_ - begin);
  std::memcpy(to, &words_[begin], first * sizeof(std::uint64_t));
  std::memcpy(static_cast<std::uint64_t*>(to) + first, words_.get(), (words - first) * sizeof(std::uint64_t));
}

void EventRing::sleep(Until until, Time at_most) noexcept {
  if (at_most <= 0) return;
  const auto word = static_cast<std::uint32_t>(until);
  asleep_.store(word, std::memory_order_seq_cst);
  const bool stay = !interrupted_.load(std::memory_order_seq_cst) && (until == Until::half_full || empty());
  if (stay) {
    base::sleep_on(asleep_, word, std::chrono::steady_clock::now() + std::chrono::nanoseconds(at_most),
                   base::FutexOf::this_process);
  }
  asleep_.store(0, std::memory_order_seq_cst);
  interrupted_.store(false, std::memory_order_seq_cst);
}

void EventRing::interrupt() noexcept {
  interrupted_.store(true, std::memory_order_seq_cst);
  wake();
}

void EventRing::wake() noexcept {
  if (asleep_.exchange(0, std::memory_order_seq_cst) != 0) base::wake_all_on(asleep_, base::FutexOf::this_process);
}

}  // namespace rankpool::watch
