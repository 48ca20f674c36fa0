#pragma once

#include "base/ids.hpp"
#include "channel/channel.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>

namespace rankpool::host {

class HostListener;

/// Who starts and watches a worker.
enum class KeptBy : std::uint8_t { own_keeper, neighbour };

/// The host's end of one worker's channel. Copies in what there is room for and keeps the rest; gives out what the
/// worker shows. Believes nothing that makes no sense: such a worker is rogue, and its memory is not looked at any
/// more. One thread; nothing blocks.
class HostEndpoint {
 public:
  explicit HostEndpoint(WorkerId worker, KeptBy kept_by = KeptBy::own_keeper) : id_(worker), kept_by_(kept_by) {}

  [[nodiscard]] WorkerId id() const noexcept { return id_; }
  [[nodiscard]] KeptBy kept_by() const noexcept { return kept_by_; }
  [[nodiscard]] channel::Channel& channel() noexcept { return channel_; }
  [[nodiscard]] bool rogue() const noexcept { return rogue_; }

  /// Appends to the worker's input. Without an owner of the bytes what does not fit is copied.
  void write(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  void write_side(std::span<const std::byte> bytes);
  /// Shows what was written, and wakes the worker if it sleeps.
  void publish() { show().ring(); }
  /// Shows what was written; the worker's wakeup, if it sleeps, is left to the caller.
  [[nodiscard]] channel::FutexWake show();
  /// Goes on with what did not fit. True if there was room.
  bool push_backlog();
  bool push_side();
  void forget_backlog() noexcept { backlog_.clear(); }
  [[nodiscard]] bool has_backlog() const noexcept { return !backlog_.empty() || !side_backlog_.empty(); }
  [[nodiscard]] std::size_t waiting() const noexcept;

  /// Gives out what the worker has shown, up to `limit` bytes, and before it what it said on the side. Returns how
  /// much that was.
  std::size_t drain(HostListener& listener, std::size_t limit);
  /// True if there is something to drain.
  [[nodiscard]] bool has_output() noexcept;
  /// Gives out finished results that are not shown yet. True if there were any.
  bool give_unpublished(HostListener& listener);
  /// The same, if the worker has not got on since the last call: who does shows its results itself.
  bool collect_unpublished(HostListener& listener);
  /// It is at a chunk of several items, so that finished results may not be shown yet.
  [[nodiscard]] bool may_hold_back() noexcept;
  [[nodiscard]] bool at_work() noexcept;
  [[nodiscard]] bool inside_item() noexcept;
  /// Before the host sleeps: until when the worker need not ring for a chunk that it has finished, since it is at
  /// short ones and has the next already; nothing if it has to.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> defer_wakeups(
      std::chrono::steady_clock::time_point now) noexcept;

 private:
  struct Pending {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };

  std::size_t put(std::span<const std::byte> bytes);
  std::size_t drain_side(HostListener& listener);
  bool skip_collected(HostListener& listener, std::size_t size);
  void move_out_head(std::uint64_t size);
  [[nodiscard]] channel::FutexWake strike_if_asleep(channel::Channel::SleepsFor what);
  void wake(channel::Channel::SleepsFor what) { strike_if_asleep(what).ring(); }
  void wake_side();

  const WorkerId id_;
  const KeptBy kept_by_;
  const std::size_t stretch_ = channel::Channel::stretch();
  channel::Channel channel_;
  std::uint64_t in_tail_ = 0;
  std::uint64_t out_head_ = 0;
  std::uint64_t progress_ = 0;   ///< when it was last looked at for a collect_unpublished
  std::uint64_t collected_ = 0;  ///< items of the open frame that were given out before it was published
  std::chrono::steady_clock::time_point last_output_{};
  bool output_since_ = false;  ///< the host has slept
  bool unpublished_ = false;
  bool rogue_ = false;
  std::deque<Pending> backlog_;
  std::uint64_t side_in_tail_ = 0;
  std::uint64_t side_out_head_ = 0;
  std::deque<std::byte> side_backlog_;
};

}  // namespace rankpool::host
