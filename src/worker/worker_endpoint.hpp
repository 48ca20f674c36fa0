#pragma once

#include "base/own_descriptor.hpp"
#include "channel/channel.hpp"
#include "worker/host_turns.hpp"

#include <rankpool/detail/bytes.hpp>

#include <sched.h>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace rankpool::worker {

/// A worker's end of its channel, but for the side stream: bytes in, bytes out, and what both sides do about each
/// other's sleep.
///
///               input_begin         input_end
///     input    taken | shown by the host | to come
///     output   taken by the host | shown to it | written | room
///                                                    output_end
///
/// The worker's main thread, unless a member says otherwise.
class WorkerEndpoint {
 public:
  using Clock = std::chrono::steady_clock;

  /// `turns`: in place of wake-ups and sleeps, or null.
  WorkerEndpoint(channel::Channel channel, channel::RankPage* page, int wake, HostTurns* turns = nullptr);
  WorkerEndpoint(const WorkerEndpoint&) = delete;
  WorkerEndpoint& operator=(const WorkerEndpoint&) = delete;

  [[nodiscard]] channel::Channel& channel() noexcept { return channel_; }
  [[nodiscard]] channel::Channel::Control& control() noexcept { return channel_.control(); }

  // -- input
  [[nodiscard]] std::uint64_t input_begin() const noexcept { return in_head_; }
  [[nodiscard]] std::uint64_t input_end() noexcept { return control().in_tail.value.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t available() noexcept { return input_end() - in_head_; }
  /// What begins at `input_begin`; as much of it is there as is available.
  [[nodiscard]] const std::byte* input() noexcept { return channel_.in(in_head_); }
  void await_input(std::size_t size) {
    if (available() < size) await([&] { return available() >= size; });
  }
  /// The next bytes as they stand in the ring, one at least: so many as are there and may be looked at at once.
  [[nodiscard]] std::span<const std::byte> await_stretch(std::size_t most) {
    await_input(1);
    return {input(), std::min({static_cast<std::size_t>(available()), stretch_, most})};
  }
  /// They leave the ring.
  void take_input(std::size_t size) {
    in_head_ += size;
    control().in_head.value.store(in_head_, std::memory_order_release);
    // A host that ran out of room looks again when it is woken; it needs no wake-up while there is plenty.
    if (size > channel::Channel::kRing / 8) wake_host();
  }
  /// The next bytes, taken out of the ring, be they more than it holds.
  detail::Bytes gather(std::size_t size);

  // -- output
  [[nodiscard]] std::uint64_t output_end() const noexcept { return out_tail_; }
  /// What begins at `output_end`, where there is `room`.
  [[nodiscard]] std::byte* output() noexcept { return channel_.out(out_tail_); }
  [[nodiscard]] std::size_t room() noexcept {
    return channel::Channel::kRing - static_cast<std::size_t>(out_tail_ - taken_by_host());
  }
  void await_room(std::size_t size) {
    if (room() >= size) return;
    publish();  // the host takes only what it sees
    await([&] { return room() >= size; }, channel::Channel::SleepsFor::room);
  }
  /// So much was written in place.
  void written(std::size_t size) noexcept { out_tail_ += size; }
  /// Copies it in, be it more than the ring holds; the last of it is still to be shown.
  void write(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    while (size > 0) {
      await_room(1);
      const std::size_t part = std::min({size, room(), stretch_});
      std::memcpy(output(), bytes, part);
      written(part);
      bytes += part;
      size -= part;
      if (size > 0) publish();
    }
  }
  /// The host can see all that is written.
  void show() noexcept { control().out_tail.value.store(out_tail_, std::memory_order_seq_cst); }
  /// The same, and it will look.
  void publish() {
    show();
    wake_host();
  }

  // -- sleep
  /// Looks for a moment and then sleeps until `ready()`, which comes true by what the host does.
  template <class Ready>
  void await(Ready&& ready, channel::Channel::SleepsFor what = channel::Channel::SleepsFor::input) {
    if (turns_ != nullptr) return await_turns(ready);
    if (spin_until(ready)) return;
    ring_if_owed();
    sleep_until(ready, what);
  }
  template <class Ready>
  void await_turns(Ready&& ready) {
    while (!ready()) turns_->wait();
  }
  [[nodiscard]] bool takes_turns() const noexcept { return turns_ != nullptr; }
  /// The same for input, for so long at most: false if it was in vain.
  template <class Ready>
  [[nodiscard]] bool await_for(std::chrono::nanoseconds limit, Ready&& ready) {
    if (turns_ != nullptr) {
      await_turns(ready);
      return true;
    }
    if (spin_until(ready)) return true;
    ring_if_owed();
    return sleep_until(ready, channel::Channel::SleepsFor::input, Clock::now() + limit);
  }
  /// Looks for a moment: false if it was in vain. Any thread.
  template <class Ready>
  [[nodiscard]] bool spin_until(Ready& ready) {
    if (ready()) return true;
    if (page_->oversubscribed.load(std::memory_order_relaxed) != 0) return false;
    const auto until = Clock::now() + spin_;
    for (int i = 1;; ++i) {
      if (ready()) return true;
      if (i % 16 != 15) continue;
      ::sched_yield();
      if (Clock::now() > until) return false;
    }
  }
  /// The host has not taken what was shown to it, perhaps without a ring: it is to wait no longer.
  void ring_if_owed() {
    if (taken_by_host() != out_tail_) wake_host();
  }
  /// If it sleeps. Any thread.
  void wake_host() {
    if (turns_ != nullptr) return turns_->look();
    if (page_->host_sleeps.load(std::memory_order_seq_cst) != channel::HostSleeps::no) ring_host();
  }

 private:
  [[nodiscard]] std::uint64_t taken_by_host() noexcept {
    return control().out_head.value.load(std::memory_order_acquire);
  }
  void ring_host();

  /// False if it is not ready at that time.
  template <class Ready>
  bool sleep_until(Ready& ready, channel::Channel::SleepsFor what, std::optional<Clock::time_point> until = {}) {
    bool is_ready = false;
    control().core.store(::sched_getcpu(), std::memory_order_relaxed);
    while (true) {
      const std::uint32_t seen = control().wakeup.load(std::memory_order_seq_cst);
      control().worker_sleeping.store(static_cast<std::uint32_t>(what), std::memory_order_seq_cst);
      is_ready = ready();
      if (is_ready) break;
      std::optional<std::chrono::nanoseconds> limit;
      if (until) limit = *until - Clock::now();
      if (limit && limit->count() <= 0) break;
      channel_.wait_for_wakeup(seen, limit);
    }
    control().worker_sleeping.store(0, std::memory_order_seq_cst);
    return is_ready;
  }

  channel::Channel channel_;
  channel::RankPage* const page_;
  const int wake_;
  HostTurns* const turns_;
  const base::DescriptorIdentity wake_identity_;
  const std::size_t stretch_;
  const std::chrono::microseconds spin_;
  std::uint64_t in_head_ = 0;
  std::uint64_t out_tail_ = 0;
};

}  // namespace rankpool::worker
