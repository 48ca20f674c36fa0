#pragma once

#include <rankpool/detail/input.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace rankpool::inline v0_2::detail {

/// What an invoker (detail/task.hpp) is given in the worker: one chunk, and where the outcomes of its items go.
///
/// For each item in order the invoker calls `begin_item`, decodes and runs it, and then exactly one of the `end_`
/// members; only after that are the item's arguments destroyed. Between begin and end the item is what a death of the
/// process is blamed on. An outcome counts as delivered from the moment its `end_` member has returned, whatever
/// happens to the process afterwards.
///
/// Used by the worker's main thread only.
class TaskContext {
 public:
  [[nodiscard]] std::span<const std::byte> callable() const noexcept { return callable_; }
  /// The encoded items, as they come.
  [[nodiscard]] Input& input() noexcept { return *input_; }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  /// How the task is called in texts; asked for when an exception is encoded.
  using Name = std::string (*)(std::span<const std::byte> callable);
  void set_name(Name name) noexcept { name_ = name; }

  void begin_item() noexcept {
    progress_->store(2 * ended_ + 1, std::memory_order_release);
    if (announce_) announce_item();
  }
  /// The item's result is of fixed size. All results of one chunk that end by this member have one size.
  void end_with_value(const void* value, std::size_t size) {
    if (size == element_size_ && static_cast<std::size_t>(limit_ - cursor_) >= size) [[likely]] {
      std::memcpy(cursor_, value, size);
      cursor_ += size;
      item_ended();
    } else {
      end_with_value_slowly(value, size);
    }
  }
  /// The item's result is encoded, in any size: what stands in `first`, then what stands in `second`.
  virtual void end_with_encoded(std::span<const std::byte> first, std::span<const std::byte> second = {}) = 0;
  /// To be called in a catch block: the item ended by the exception that is being handled.
  virtual void end_with_current_exception() = 0;
  /// The item was known to have failed before it was sent.
  virtual void end_skipped() = 0;

 protected:
  TaskContext() = default;
  ~TaskContext() = default;

  /// Counts the item as ended; what it left in the open frame is salvaged from now on if the process dies.
  void item_ended() noexcept {
    progress_->store(2 * ++ended_, std::memory_order_release);
    if (--until_flush_check_ == 0) check_flush();
  }

  virtual void end_with_value_slowly(const void* value, std::size_t size) = 0;
  /// Looks at the clock and publishes what is in the open frame if that has waited long enough.
  virtual void check_flush() noexcept = 0;
  /// Tells rank 0 that an item has begun; only with a task timeout.
  virtual void announce_item() noexcept = 0;

  std::span<const std::byte> callable_;
  Input* input_ = nullptr;
  std::uint32_t count_ = 0;
  Name name_ = nullptr;
  std::uint32_t until_flush_check_ = 1;
  bool announce_ = false;

  /// In shared memory: twice the number of items that ended in this process, plus one while one is being run.
  std::atomic<std::uint64_t>* progress_ = nullptr;
  std::uint64_t ended_ = 0;

  // The open frame: fixed-size results that are complete but not yet published.
  std::byte* cursor_ = nullptr;
  std::byte* limit_ = nullptr;
  std::size_t element_size_ = 0;
};

/// Decodes, runs and encodes the items of one chunk. One instance for each combination of callable, argument and
/// result types; named on the wire by a CodeRef.
using Invoker = void (*)(TaskContext&);

}  // namespace rankpool::inline v0_2::detail
