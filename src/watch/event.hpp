#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// What happens to tasks and workers, as the observer thread reads it: plain numbers, so that the engine only stores
/// them. Texts (names, labels, hosts) go beside the ring, by number (`Names`).
namespace rankpool::watch {

/// Nanoseconds of rank 0's steady clock.
using Time = std::int64_t;
inline constexpr Time kMicrosecond = 1'000;
inline constexpr Time kMillisecond = 1'000'000;
inline constexpr Time kSecond = 1'000'000'000;

enum class What : std::uint8_t {
  rank_joined = 1,  ///< worker: rank; value: number of its host in Names; first: 1 if its clock is rank 0's
  rank_lost,        ///< worker: rank
  pool_opened,      ///< work: pool; count: workers
  pool_broken,      ///< work: pool
  pool_ended,       ///< work: pool
  worker_started,   ///< value: rank; work: pool
  worker_ready,     ///< value: pid
  worker_gone,      ///< detail: 1 if it was lost
  work_submitted,   ///< count: items; detail: 1 if more may follow; chunk: pool; value: number of its WorkNote, or 0
  work_task,        ///< value: number of its code reference and callable in Names, or 0
  work_extended,    ///< count: items
  work_sealed,      ///< nothing follows any more
  work_ended,       ///< all its items have ended
  chunk_sent,       ///< chunk, first, count; value: bytes
  items_ended,      ///< chunk, first, count; detail: an Outcome; value: bytes of all of them
  item_times,    ///< chunk, first, count; count + 1 words follow: begin of the first and the ends, the worker's clock
  chunk_done,    ///< chunk; value: nanoseconds that the worker spent on it
  item_retried,  ///< first: the item, which was lost
  items_failed,  ///< first, count; detail: an Outcome
  items_cancelled,   ///< first, count
  group_rank_began,  ///< first: the item; count: the rank, not 0, of the task of several ranks whose part it runs
  group_rank_ended,  ///< it is through with it
  worker_memory,     ///< value: resident bytes of its process; first: the most of them there ever were
};

/// How an item ended.
enum class Outcome : std::uint8_t {
  done,        ///< with a value
  error,       ///< with an exception of its own
  skipped,     ///< it could not be encoded, and was never run
  lost,        ///< its worker was lost with it
  timed_out,   ///< it ran past its limit
  broken,      ///< its pool broke
  terminated,  ///< its workers were stopped by force
};
inline constexpr std::size_t kOutcomes = 7;
[[nodiscard]] const char* outcome_name(Outcome outcome) noexcept;

struct Event {
  What what{};
  std::uint8_t detail = 0;
  std::uint16_t reserved = 0;
  std::uint32_t worker = 0;
  Time when = 0;
  std::uint64_t work = 0;
  std::uint64_t chunk = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint64_t value = 0;
  bool operator==(const Event&) const = default;

  /// Words that stand behind it in the ring.
  [[nodiscard]] std::size_t trailing_words() const noexcept {
    return what == What::item_times ? static_cast<std::size_t>(count) + 1 : 0;
  }
};
static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) % sizeof(std::uint64_t) == 0);

/// One run of one item on one worker, put together from the events.
struct TaskRun {
  std::uint64_t work = 0;
  std::uint64_t item = 0;
  std::uint32_t worker = 0;
  std::uint32_t attempt = 1;
  Time begin = 0;
  Time end = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  Outcome outcome{};
  bool estimated = false;  ///< the worker could not tell its times any more: rank 0 saw it begin and end so
  bool operator==(const TaskRun&) const = default;
};

}  // namespace rankpool::watch
