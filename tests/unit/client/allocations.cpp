#include "allocations.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace rankpool::inline v0_2::detail {
namespace {
thread_local std::size_t g_largest = 0;
}  // namespace

std::size_t largest_allocation() noexcept { return g_largest; }
void forget_allocations() noexcept { g_largest = 0; }

static void* allocate(std::size_t size) {
  g_largest = std::max(g_largest, size);
  void* const room = std::malloc(size == 0 ? 1 : size);
  if (room == nullptr) throw std::bad_alloc();
  return room;
}

}  // namespace rankpool::inline v0_2::detail

void* operator new(std::size_t size) { return rankpool::detail::allocate(size); }
void* operator new[](std::size_t size) { return rankpool::detail::allocate(size); }
void operator delete(void* room) noexcept { std::free(room); }
void operator delete[](void* room) noexcept { std::free(room); }
void operator delete(void* room, std::size_t) noexcept { std::free(room); }
void operator delete[](void* room, std::size_t) noexcept { std::free(room); }
