#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace rankpool::channel {

/// A lock of the shared state, and the small value that belongs to it, which rank 0 leaves to a worker of its node: the
/// worker takes it and gives it back here, without a message, until rank 0 takes it back. It lies in the worker's
/// channel.
///
/// One word says how it stands, so that each step is one compare-and-exchange, and whoever dies leaves no step half
/// done. The value is there twice: its holder writes the one that does not count, and the word that frees the lock
/// makes it the one that does. Rank 0 believes nothing here beyond that this is what the worker says.
class Lease {
 public:
  using Time = std::chrono::nanoseconds;  ///< of the steady clock

  /// The largest value.
  static constexpr std::size_t kLargest = 256;

  // -- rank 0
  /// The worker has the lock `id` now and holds it. The lease must have ended.
  void grant(std::uint64_t id, std::span<const std::byte> value) noexcept;
  /// When the lock was last given back.
  [[nodiscard]] Time last_use() const noexcept { return Time(last_use_.load(std::memory_order_relaxed)); }
  /// Somebody waits: the worker tells when it gives the lock back after a long time.
  void somebody_waits() noexcept { state_.fetch_or(kWaitedFor, std::memory_order_seq_cst); }
  /// The worker does not take it again, and tells when it gives it back.
  void ask_back() noexcept { state_.fetch_or(kAskedBack, std::memory_order_seq_cst); }
  /// Ends the lease, and copies out the value, if the lock is free. `value` has the size that was granted.
  [[nodiscard]] bool take_back(std::span<std::byte> value) noexcept;
  /// Ends it in any case: the value is as the lock's last holder left it who gave it back.
  void end(std::span<std::byte> value) noexcept;
  /// Copies out the value if the lock is free.
  [[nodiscard]] bool read(std::span<std::byte> value) noexcept;

  // -- the worker, one thread at a time
  /// Takes the lock, if this is a lease of it and it is free.
  [[nodiscard]] bool take(std::uint64_t id) noexcept;
  /// It is held here. The number of this hold, or 0.
  [[nodiscard]] std::uint64_t hold_of(std::uint64_t id) const noexcept;
  /// The value, for the lock's holder.
  [[nodiscard]] std::span<const std::byte> value() const noexcept;
  enum class Given : std::uint8_t { back, to_be_told, ended };
  /// Gives the lock back that was taken with that number, with a new value if there is one. `to_be_told`: rank 0 waits
  /// for it; `ended`: the lease has ended meanwhile.
  Given give_back(std::uint64_t hold, std::span<const std::byte> changed, Time since, Time now) noexcept;

 private:
  // The word: how it stands, what rank 0 wants, which of the two values counts, how often it was taken.
  static constexpr std::uint64_t kPhase = 3;
  static constexpr std::uint64_t kNone = 0;
  static constexpr std::uint64_t kFree = 1;
  static constexpr std::uint64_t kHeld = 2;
  static constexpr std::uint64_t kRead = 3;  ///< free, but for the moment in which rank 0 reads the value
  static constexpr std::uint64_t kAskedBack = 4;
  static constexpr std::uint64_t kWaitedFor = 8;
  static constexpr std::uint64_t kSecondValue = 16;
  static constexpr std::uint64_t kTaken = 256;  ///< counts from here on

  [[nodiscard]] static std::uint64_t hold(std::uint64_t state) noexcept { return state / kTaken; }
  void copy_out(std::uint64_t state, std::span<std::byte> value) const noexcept;

  alignas(64) std::atomic<std::uint64_t> state_{kNone};
  std::atomic<std::uint64_t> id_{0};
  std::atomic<std::uint64_t> size_{0};
  std::atomic<std::int64_t> last_use_{0};
  std::array<std::array<std::byte, kLargest>, 2> values_{};
};

/// A worker has so many at most.
using Leases = std::array<Lease, 4>;

}  // namespace rankpool::channel
