#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Keeps an object of the shared state alive on rank 0.
using Pin = std::shared_ptr<const void>;
using Pins = std::vector<Pin>;

/// Where handles that are encoded in this thread leave what keeps them alive: the task that carries a handle holds its
/// object until it has ended.
class PinScope {
 public:
  explicit PinScope(Pins& to) noexcept : outer_(std::exchange(current_, &to)) {}
  PinScope(const PinScope&) = delete;
  PinScope& operator=(const PinScope&) = delete;
  ~PinScope() { current_ = outer_; }

  static void keep(const Pin& pin) {
    if (current_ == nullptr || !pin) return;
    if (current_->empty() || current_->back() != pin) current_->push_back(pin);
  }

 private:
  static inline constinit thread_local Pins* current_ = nullptr;
  Pins* outer_;
};

}  // namespace rankpool::inline v0_2::detail
