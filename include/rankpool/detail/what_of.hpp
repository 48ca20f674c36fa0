#pragma once

#include <exception>

namespace rankpool::inline v0_2::detail {

/// The text of any exception: a program's own `what()` may give a null pointer.
inline const char* what_of(const std::exception& error) noexcept {
  const char* const text = error.what();
  return text == nullptr ? "" : text;
}

}  // namespace rankpool::inline v0_2::detail
