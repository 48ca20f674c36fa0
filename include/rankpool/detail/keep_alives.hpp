#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Keeps an object of the shared state alive on rank 0.
using KeepAlive = std::shared_ptr<const void>;
using KeepAlives = std::vector<KeepAlive>;

/// Where handles that are encoded in this thread leave what keeps them alive: the task that carries a handle holds its
/// object until it has ended.
class KeepAliveScope {
 public:
  explicit KeepAliveScope(KeepAlives& to) noexcept : outer_(std::exchange(current_, &to)) {}
  KeepAliveScope(const KeepAliveScope&) = delete;
  KeepAliveScope& operator=(const KeepAliveScope&) = delete;
  ~KeepAliveScope() { current_ = outer_; }

  static void keep(const KeepAlive& keep_alive) {
    if (current_ == nullptr || !keep_alive) return;
    if (current_->empty() || current_->back() != keep_alive) current_->push_back(keep_alive);
  }

 private:
  static inline constinit thread_local KeepAlives* current_ = nullptr;
  KeepAlives* outer_;
};

}  // namespace rankpool::inline v0_2::detail
