#pragma once

#include <cstddef>

namespace rankpool::base {

/// Has the memory at `begin` fetched into the caches, without waiting for it.
inline void prefetch(const void* begin, std::size_t size) noexcept {
  constexpr std::size_t kLine = 64;
  const auto* const at = static_cast<const char*>(begin);
  for (std::size_t line = 0; line < size; line += kLine) __builtin_prefetch(at + line, 1);
}

/// The object itself, if there is one.
template <class T>
void prefetch(const T* object) noexcept {
  if (object != nullptr) prefetch(object, sizeof(T));
}

}  // namespace rankpool::base
