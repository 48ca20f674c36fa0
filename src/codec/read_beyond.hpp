#pragma once

#include <cstddef>
#include <cstring>

namespace rankpool::inline v0_2::detail {

/// What stands at an address that is mapped, though no object of this type may be there. Sanitizers of addresses are
/// not asked.
template <class T>
[[gnu::no_sanitize_address, gnu::noinline]] T read_beyond(const void* at) noexcept {
  const auto* const from = static_cast<const volatile unsigned char*>(at);
  unsigned char bytes[sizeof(T)];
  for (std::size_t i = 0; i < sizeof bytes; ++i) bytes[i] = from[i];
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace rankpool::inline v0_2::detail
