#pragma once

#include "channel/lease.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace rankpool::channel {

/// How a host sleeps, and so how it is woken.
enum class HostSleeps : std::uint32_t {
  no = 0,
  in_poll,   ///< by a byte in the wake-up pipe
  on_futex,  ///< somebody stands in for it, and sleeps on RankPage::host_wakeup
};

/// What worker processes share with their host: those of its own rank, and those of other ranks of its node whose
/// channels it has.
struct RankPage {
  using Token = std::array<unsigned char, 16>;

  std::atomic<HostSleeps> host_sleeps{HostSleeps::no};
  std::atomic<std::uint32_t> keeper_events{0};  ///< messages the rank's own keeper has sent
  std::atomic<std::uint32_t> stop_requested{0};
  std::atomic<std::uint32_t> terminal_lines{0};  ///< kept for progress: who outlives the rank gives them back
  std::atomic<std::uint32_t> oversubscribed{0};  ///< who spins takes the core from somebody who has work
  std::atomic<std::uint32_t> host_wakeup{0};     ///< futex
  Token token{};  ///< by which a spawned worker knows that this is its page (keeper/spawned_worker.hpp)

  /// Wakes the host if it sleeps; of those who find it asleep, one does. True: by the pipe, which is left to the
  /// caller.
  [[nodiscard]] bool wake_or_ring() noexcept;
};

/// The memory of a RankPage and the name by which others of the node know it.
inline constexpr std::size_t kRankPageSize = 4096;
inline constexpr const char* kRankPageName = "rankpool rank page";

/// The system call of a wake-up: what the sleepers look at says so already. May come late, when the memory is gone: it
/// then wakes nobody, or somebody else for nothing, which sleepers on a futex must expect.
class FutexWake {
 public:
  FutexWake() = default;
  /// `core`: where the sleeper ran last, or -1.
  explicit FutexWake(std::atomic<std::uint32_t>& word, int core = -1) noexcept : word_(&word), core_(core) {}
  void ring() const noexcept;
  /// It may take the core of who rings, who then comes to nothing else for as long as it likes.
  [[nodiscard]] bool is_for_core(int core) const noexcept { return word_ != nullptr && core_ == core; }

 private:
  std::atomic<std::uint32_t>* word_ = nullptr;  ///< null: nobody sleeps
  int core_ = -1;
};

/// Rings them all. Those whose sleeper may take the core of this thread come last: the others would begin when that one
/// has ended.
void ring(std::span<FutexWake> wakeups) noexcept;

/// Sleeps until the word is no longer `seen`, or until then; any process that has it may wake it.
void sleep_on(std::atomic<std::uint32_t>& word, std::uint32_t seen,
              std::optional<std::chrono::steady_clock::time_point> until = {}) noexcept;
/// Counts the word up, and wakes who sleeps on it.
void wake_on(std::atomic<std::uint32_t>& word) noexcept;

/// One worker's shared memory, as host and worker see it:
///
///     control block | ring to the worker | ring to the host | side ring to the worker | side ring to the host
///
/// (Each ring is mapped twice in a row, so that what wraps around is still contiguous.) The side rings carry requests
/// of the shared state and their replies, which may not stand behind chunks.
///
/// Each ring has one writer and one reader. `tail` counts bytes published, `head` bytes taken, both for ever. Neither
/// side trusts the other's counter beyond what makes sense.
class Channel {
 public:
  struct Counter {
    alignas(64) std::atomic<std::uint64_t> value{0};
  };
  struct Control {
    Counter in_head, in_tail, out_head, out_tail;
    alignas(64) std::atomic<std::uint32_t> wakeup{0};  ///< futex: the worker sleeps on it
    std::atomic<std::uint32_t> worker_sleeping{0};     ///< a SleepsFor
    std::atomic<std::int32_t> core{-1};                ///< on which the worker fell asleep
    Counter side_in_head, side_in_tail, side_out_head, side_out_tail;
    alignas(64) std::atomic<std::uint32_t> side_wakeup{0};  ///< futex: threads of the worker sleep on it in a request
    std::atomic<std::uint32_t> side_sleeping{0};
    alignas(64) std::atomic<std::uint64_t> progress{0};  ///< see TaskContext
    std::atomic<std::uint32_t> chunk_items{0};           ///< of the chunk that the worker is at, or has just left
    std::atomic<std::uint64_t> chunk_end{0};             ///< where in the input that chunk ends
    std::atomic<std::uint64_t> short_chunk{0};  ///< nanoseconds that its last chunk took, if the next may hide its end
    std::atomic<std::uint32_t> defer_wakeup{
        0};  ///< the host looks soon by itself: the end of a short_chunk chunk rings nobody
    // The open frame: results that are complete but unpublished stand behind the published end of the ring. It counts
    // only if it begins right there; `open_begin` is written last.
    std::atomic<std::uint64_t> open_begin{UINT64_MAX};
    std::atomic<std::uint64_t> open_base{0};  ///< items ended when it was opened
    std::atomic<std::uint64_t> open_element{0};
    std::atomic<std::uint64_t> open_chunk{0};
    std::atomic<std::uint64_t> open_first{0};
    Leases leases;
  };

  /// What a worker's main thread sleeps for, if it does.
  enum class SleepsFor : std::uint32_t { nothing = 0, input, room };

  static constexpr const char* kName = "rankpool channel";
  static constexpr std::size_t kRing = 256 * 1024;
  static constexpr std::size_t kSideRing = 16 * 1024;

  /// True if this process has but one core, which it then shares with the other side: they can only alternate.
  static bool on_one_core() noexcept;
  /// What is long is copied in and out by so much at a time: by less than the ring holds, so that both sides copy at
  /// once.
  static std::size_t stretch() noexcept { return on_one_core() ? kRing : kRing / 4; }

  /// Makes the memory. Throws std::system_error.
  Channel();
  /// Maps memory that another process made; takes the descriptor.
  explicit Channel(int fd);
  /// The descriptor of a channel that another process of this node has open under that number, or -1 with a reason in
  /// errno.
  static int open_foreign(std::int64_t pid, int fd);
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&&) = delete;
  ~Channel();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// The memory stays.
  void close_descriptor() noexcept;
  [[nodiscard]] Control& control() noexcept { return *control_; }
  /// They stay when the channel goes.
  [[nodiscard]] std::shared_ptr<Leases> leases() noexcept { return {control_, &control_->leases}; }
  [[nodiscard]] std::byte* in(std::uint64_t position) noexcept { return in_ + position % kRing; }
  [[nodiscard]] std::byte* out(std::uint64_t position) noexcept { return out_ + position % kRing; }

  [[nodiscard]] std::byte* side_in(std::uint64_t position) noexcept { return side_in_ + position % kSideRing; }
  [[nodiscard]] std::byte* side_out(std::uint64_t position) noexcept { return side_out_ + position % kSideRing; }

  /// Sleeps until the wakeup has been rung since it read `seen`, or for so long.
  void wait_for_wakeup(std::uint32_t seen, std::optional<std::chrono::nanoseconds> limit = {}) noexcept;
  void send_wakeup() noexcept { take_wakeup().ring(); }
  /// The same but for the system call, which has to follow.
  [[nodiscard]] FutexWake take_wakeup() noexcept;
  void wait_for_side_wakeup(std::uint32_t seen) noexcept;
  void send_side_wakeup() noexcept;

 private:
  void map();
  int fd_ = -1;
  std::shared_ptr<Control> control_;
  std::byte* in_ = nullptr;
  std::byte* out_ = nullptr;
  std::byte* side_in_ = nullptr;
  std::byte* side_out_ = nullptr;
};

}  // namespace rankpool::channel
