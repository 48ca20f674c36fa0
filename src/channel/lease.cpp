#include "channel/lease.hpp"

#include "base/pace.hpp"

#include <algorithm>
#include <cstring>

namespace rankpool::channel {

void Lease::grant(std::uint64_t id, std::span<const std::byte> value) noexcept {
  const std::uint64_t before = state_.load(std::memory_order_relaxed);
  id_.store(id, std::memory_order_relaxed);
  size_.store(value.size(), std::memory_order_relaxed);
  std::copy(value.begin(), value.end(), values_[0].begin());
  state_.store((hold(before) + 1) * kTaken | kHeld, std::memory_order_seq_cst);
}

bool Lease::take_back(std::span<std::byte> value) noexcept {
  std::uint64_t state = state_.load(std::memory_order_seq_cst);
  while ((state & kPhase) == kFree) {
    if (!state_.compare_exchange_weak(state, hold(state) * kTaken | kNone, std::memory_order_seq_cst)) continue;
    copy_out(state, value);
    return true;
  }
  return false;
}

void Lease::end(std::span<std::byte> value) noexcept {
  std::uint64_t state = state_.load(std::memory_order_seq_cst);
  while (!state_.compare_exchange_weak(state, hold(state) * kTaken | kNone, std::memory_order_seq_cst)) {
  }
  copy_out(state, value);
}

bool Lease::read(std::span<std::byte> value) noexcept {
  std::uint64_t state = state_.load(std::memory_order_seq_cst);
  while ((state & kPhase) == kFree) {
    if (!state_.compare_exchange_weak(state, state | kRead, std::memory_order_seq_cst)) continue;
    copy_out(state, value);
    state_.store(state, std::memory_order_seq_cst);
    return true;
  }
  return false;
}

void Lease::copy_out(std::uint64_t state, std::span<std::byte> value) const noexcept {
  const auto& from = values_[(state & kSecondValue) != 0 ? 1 : 0];
  std::copy_n(from.begin(), std::min(value.size(), kLargest), value.begin());
}

bool Lease::take(std::uint64_t id) noexcept {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while ((state & kPhase) == kFree && (state & kAskedBack) == 0 && id_.load(std::memory_order_relaxed) == id) {
    if (state_.compare_exchange_weak(state, ((state & ~kPhase) | kHeld) + kTaken, std::memory_order_seq_cst)) {
      return true;
    }
  }
  return false;
}

std::uint64_t Lease::hold_of(std::uint64_t id) const noexcept {
  const std::uint64_t state = state_.load(std::memory_order_acquire);
  return (state & kPhase) == kHeld && id_.load(std::memory_order_relaxed) == id ? hold(state) : 0;
}

std::span<const std::byte> Lease::value() const noexcept {
  const bool second = (state_.load(std::memory_order_acquire) & kSecondValue) != 0;
  return std::span(values_[second ? 1 : 0])
      .first(std::min<std::size_t>(size_.load(std::memory_order_relaxed), kLargest));
}

Lease::Given Lease::give_back(std::uint64_t of, std::span<const std::byte> changed, Time since, Time now) noexcept {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  const auto is_held = [&] { return (state & kPhase) == kHeld && hold(state) == of; };
  if (!is_held()) return Given::ended;
  std::uint64_t other_value = 0;
  if (!changed.empty()) {
    other_value = kSecondValue;
    auto& to = values_[(state & kSecondValue) != 0 ? 0 : 1];
    std::copy_n(changed.begin(), std::min(changed.size(), kLargest), to.begin());
  }
  last_use_.store(now.count(), std::memory_order_relaxed);
  while (!state_.compare_exchange_weak(state, ((state & ~kPhase) | kFree) ^ other_value, std::memory_order_seq_cst)) {
    if (!is_held()) return Given::ended;
  }
  const bool tell = (state & kAskedBack) != 0 || ((state & kWaitedFor) != 0 && now - since > pace::kLongSection);
  return tell ? Given::to_be_told : Given::back;
}

}  // namespace rankpool::channel
