#pragma once

#include "base/memory_pressure.hpp"

#include <chrono>
#include <functional>

namespace rankpool::worker {

/// What tasks have freed stays with their worker for the next ones. A page that is new costs its first writer more than
/// most of what is done with it: a task that returns a copy of a megabyte takes two and a half times as long if the C
/// library gives each block back to the system. (It does so from 128 KiB on.)
///
/// What is kept goes back when the worker has rested for `kRest`, when memory is short, and where it is more than
/// `kMostKept`. Who has told the C library's allocator what to keep, by GLIBC_TUNABLES or MALLOC_..., has it so.
///
/// The worker's main thread.
class KeptHeap {
 public:
  using Clock = std::chrono::steady_clock;

  /// From now on what is freed is kept.
  explicit KeptHeap(std::function<bool()> memory_is_short = [] { return base::memory_is_short(); });

  /// A chunk has ended: gives back what is too much. Looks seldom.
  void chunk_ended(Clock::time_point now);
  /// True if the heap has grown so much that it is worth giving back when the worker rests.
  [[nodiscard]] bool has_grown() const noexcept;
  void give_back() noexcept;

  static constexpr std::chrono::seconds kRest{1};
  static constexpr std::chrono::milliseconds kLook{250};
  /// Blocks up to this size are kept; a hole that a task leaves in its heap is no larger.
  static constexpr int kLargestBlock = 128 << 20;
  static constexpr std::size_t kMostKept = std::size_t{256} << 20U;
  /// So much is not worth a look.
  static constexpr std::ptrdiff_t kLittle = std::ptrdiff_t{4} << 20U;

 private:
  std::function<bool()> memory_is_short_;
  bool keeps_ = false;
  const char* end_after_giving_back_ = nullptr;  ///< of the heap
  Clock::time_point next_look_{};
};

}  // namespace rankpool::worker
