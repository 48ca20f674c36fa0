#include "worker/kept_heap.hpp"

#include <rankpool/detail/bytes.hpp>

#include <malloc.h>
#include <unistd.h>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace rankpool::worker {
namespace {

/// Older C libraries take no more than this for the size of blocks that are kept.
constexpr int kLargestBlockOfOld = 32 << 20;

bool user_has_decided() {
  const char* const tunables = std::getenv("GLIBC_TUNABLES");
  if (tunables != nullptr && std::string_view(tunables).find("glibc.malloc.") != std::string_view::npos) return true;
  constexpr std::array variables{"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_",
                                 "MALLOC_TOP_PAD_"};
  for (const char* const name : variables) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

/// Where the heap of the main thread ends.
const char* heap_end() noexcept { return static_cast<const char*>(::sbrk(0)); }

std::size_t free_bytes() noexcept {
#if __GLIBC_PREREQ(2, 33)
  return ::mallinfo2().fordblks;
#else
  return static_cast<unsigned>(::mallinfo().fordblks);
#endif
}

}  // namespace

KeptHeap::KeptHeap(std::function<bool()> memory_is_short)
    : memory_is_short_(std::move(memory_is_short)), end_after_giving_back_(heap_end()) {
  if (user_has_decided()) return;
  keeps_ = ::mallopt(M_TRIM_THRESHOLD, static_cast<int>(kMostKept)) != 0 &&
           (::mallopt(M_MMAP_THRESHOLD, kLargestBlock) != 0 || ::mallopt(M_MMAP_THRESHOLD, kLargestBlockOfOld) != 0);
}

bool KeptHeap::has_grown() const noexcept { return keeps_ && heap_end() - end_after_giving_back_ > kLittle; }

void KeptHeap::chunk_ended(Clock::time_point now) {
  if (now < next_look_ || !has_grown()) return;
  next_look_ = now + kLook;
  if (free_bytes() > kMostKept || memory_is_short_()) give_back();
}

void KeptHeap::give_back() noexcept {
  ::malloc_trim(0);
  detail::drop_kept_runs();
  end_after_giving_back_ = heap_end();
}

}  // namespace rankpool::worker
