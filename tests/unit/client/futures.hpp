#pragma once

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/future_state.hpp>
#include <rankpool/future.hpp>
#include <rankpool/serialization.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace rankpool::inline v0_2::detail {

using namespace std::chrono_literals;  // NOLINT: this is what the tests are written in
using Ints = std::vector<int>;

/// Nothing in these tests takes so long unless it hangs.
inline constexpr auto kLong = 20s;

/// A future, and the engine's end of it.
template <class T>
struct Pair {
  Ref<typename Future<T>::State> state{new typename Future<T>::State};
  Future<T> future{state};
};
template <class T>
Bytes encoded(const T& value) {
  Bytes bytes;
  encode(bytes, value);
  return bytes;
}
inline Bytes encoded_error(const std::string& text) {
  try {
    throw std::out_of_range(text);
  } catch (...) {
    return encode_current_exception("here");
  }
}
inline FailurePtr some_failure() {
  return std::make_shared<const Failure>(Failure{Failure::Kind::terminated_worker, "killed", {Loss()}});
}

}  // namespace rankpool::inline v0_2::detail
