// Large runs of memory: mapped, kept when they are given back, and handed out again with their pages in place.
//
// A fresh page of 4 KiB costs its first writer about 0.4 ms per MiB, three times what copying into it does; a huge page
// about 0.1 ms, and a page that is there nothing. Each process keeps what would be missed when payloads of the same
// size come one after the other.
#include <rankpool/detail/bytes.hpp>

#include <sys/mman.h>
#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>

namespace rankpool::inline v0_2::detail {
namespace {

/// Sizes are multiples of it, so that payloads of nearly one size share their runs.
constexpr std::size_t kStep = std::size_t{64} << 10U;
constexpr std::size_t kHuge = std::size_t{2} << 20U;
/// From this size on the alignment to huge pages is worth the address space.
constexpr std::size_t kWorthHuge = 2 * kHuge;
/// So much is kept in all: it is memory that other processes of the node do not have. Larger payloads pay for huge
/// pages, which is a tenth of what their way costs.
constexpr std::size_t kMostKept = std::size_t{32} << 20U;
constexpr std::size_t kMostRuns = 64;
/// Runs of up to this size are what payloads pass between ranks in. They are kept only if they were cut from a huge
/// page, which MPI copies from in half the time, and that is done once they are wanted again and again.
constexpr std::size_t kSmall = std::size_t{512} << 10U;
constexpr std::size_t kSeldom = 8;

constexpr std::size_t round_up(std::size_t size, std::size_t step) { return (size + step - 1) / step * step; }

void unmap(Run run) noexcept { ::munmap(run.data, run.size); }

/// Null if there is none.
std::byte* map(std::size_t size) noexcept {
  void* const data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

/// Fresh memory that begins where a huge page may.
std::byte* map_aligned(std::size_t size) noexcept {
  std::byte* const all = map(size + kHuge);
  if (all == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(all);
  const std::size_t before = round_up(address, kHuge) - address;
  if (before != 0) ::munmap(all, before);
  if (before != kHuge) ::munmap(all + before + size, kHuge - before);
  ::madvise(all + before, size, MADV_HUGEPAGE);
  return all + before;
}

/// The kept runs. What is given back for the first time goes: only who takes large runs again and again has them kept,
/// so much as it would have had use for. Without a constructor or destructor: there is no order of start and end to be
/// in.
class Store {
 public:
  /// One that is neither too small nor wasted on so little; none if there is none.
  Run take(std::size_t size) noexcept {
    const std::lock_guard lock(mutex_);
    std::size_t best = count_;
    for (std::size_t i = 0; i < count_; ++i) {
      if (runs_[i].size < size || runs_[i].size / 2 > size) continue;
      // Of equals the last that came: it is in the cache.
      if (best == count_ || runs_[i].size <= runs_[best].size) best = i;
    }
    if (best != count_) return remove(best);
    return size <= kSmall && ++small_missed_ > kSeldom ? cut_block(size) : Run{};
  }
  /// Makes room by what has been here longest.
  void give(Run run) noexcept {
    const std::lock_guard lock(mutex_);
    if (run.size <= kSmall && !in_block(run)) return unmap(run);
    if (bytes_ + run.size > allowed_ && (allowed_ < kMostKept || run.size > kMostKept)) {
      if (run.size <= kMostKept) allowed_ = std::min(kMostKept, allowed_ + run.size);
      return unmap(run);
    }
    keep(run);
  }
  void drop_all() noexcept {
    const std::lock_guard lock(mutex_);
    while (count_ != 0) unmap(remove(0));
  }

 private:
  void keep(Run run) noexcept {
    while (count_ == kMostRuns || bytes_ + run.size > kMostKept) unmap(remove(0));
    runs_[count_++] = run;
    bytes_ += run.size;
  }
  Run remove(std::size_t i) noexcept {
    const Run run = runs_[i];
    std::copy(runs_.begin() + static_cast<std::ptrdiff_t>(i) + 1, runs_.begin() + static_cast<std::ptrdiff_t>(count_),
              runs_.begin() + static_cast<std::ptrdiff_t>(i));
    --count_;
    bytes_ -= run.size;
    return run;
  }

  /// A huge page's worth of runs of the size: all but one are kept at once.
  Run cut_block(std::size_t size) noexcept {
    Run rest{map_aligned(kHuge), kHuge};
    if (rest.data == nullptr) return {};
    blocks_[next_block_++ % blocks_.size()] = rest.data;
    allowed_ = std::max(allowed_, std::min(kMostKept, bytes_ + kHuge));
    for (; rest.size >= 2 * size; rest = {rest.data + size, rest.size - size}) keep({rest.data, size});
    return rest;
  }
  [[nodiscard]] bool in_block(Run run) const noexcept {
    return std::any_of(blocks_.begin(), blocks_.end(), [&](const std::byte* block) {
      return block != nullptr && run.data >= block && run.data < block + kHuge;
    });
  }

  std::mutex mutex_;
  std::array<const std::byte*, kMostKept / kHuge> blocks_{};
  std::size_t next_block_ = 0;
  std::size_t small_missed_ = 0;
  std::array<Run, kMostRuns> runs_{};
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t allowed_ = 0;
};
constinit Store g_store;

}  // namespace

Run take_run(std::size_t size) {
  if (size > static_cast<std::size_t>(-1) / 2) throw std::bad_alloc();
  size = round_up(size, kStep);
  if (const Run kept = g_store.take(size); kept.data != nullptr) return kept;
  std::byte* const fresh = size >= kWorthHuge ? map_aligned(size) : map(size);
  if (fresh == nullptr) throw std::bad_alloc();
  return {fresh, size};
}

Run grow_run(Run run, std::size_t used, std::size_t size) {
  if (run.size < kWorthHuge) {
    const Run larger = take_run(size);
    std::copy_n(run.data, used, larger.data);
    give_run_back(run);
    return larger;
  }
  size = round_up(size, kStep);
  // Pages move without being copied, whole huge ones if they keep their alignment.
  void* moved = ::mremap(run.data, run.size, size, 0);
  if (moved == MAP_FAILED) {
    std::byte* const place = map_aligned(size);
    if (place == nullptr) throw std::bad_alloc();
    moved = ::mremap(run.data, run.size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
    if (moved == MAP_FAILED) {
      ::munmap(place, size);
      throw std::bad_alloc();
    }
  }
  return {static_cast<std::byte*>(moved), size};
}

Run cut_run(Run run, std::size_t size) noexcept {
  size = round_up(size, kStep);
  // Cutting splits what could be handed out again: not for little.
  if (run.size - size <= run.size / 8) return run;
  ::munmap(run.data + size, run.size - size);
  return {run.data, size};
}

void give_run_back(Run run) noexcept { g_store.give(run); }
void drop_kept_runs() noexcept { g_store.drop_all(); }

void advise_huge(void* begin, std::size_t size) noexcept {
  if (size < kWorthHuge) return;
  const auto address = reinterpret_cast<std::uintptr_t>(begin);
  const std::uintptr_t first = round_up(address, kHuge);
  const std::uintptr_t end = (address + size) / kHuge * kHuge;
  if (first < end) ::madvise(static_cast<std::byte*>(begin) + (first - address), end - first, MADV_HUGEPAGE);
}

}  // namespace rankpool::inline v0_2::detail
