#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// A value that one thread puts and another one waits for, once. Thread-safe. What std::promise does, without <future>,
/// which costs every program that includes it a tenth of a second of compiling.
template <class T>
class Handover {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    value_.emplace(std::move(value));
    there_.notify_one();
  }
  T take() {
    std::unique_lock lock(mutex_);
    there_.wait(lock, [&] { return value_.has_value(); });
    return std::move(*value_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable there_;
  std::optional<T> value_;
};

}  // namespace rankpool::inline v0_2::detail
