#pragma once

#include "worker/worker_endpoint.hpp"

#include <rankpool/detail/task_context.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace rankpool::worker {

/// The items of a chunk that is longer than the ring: they are read while more of it comes in.
///
/// `before_wait` is called before the worker waits for the next stretch.
template <class BeforeWait>
class RingInput final : public detail::Input {
 public:
  RingInput(WorkerEndpoint& rings, std::size_t size, BeforeWait before_wait)
      : Input(size), rings_(rings), before_wait_(std::move(before_wait)), behind_(size) {}
  /// What was read leaves the ring.
  void end() { rings_.take_input(std::exchange(window_size_, 0)); }

 private:
  std::span<const std::byte> next_window() override {
    end();
    if (rings_.available() == 0) before_wait_();
    const auto window = rings_.await_stretch(behind_);
    window_size_ = window.size();
    behind_ -= window_size_;
    return window;
  }

  WorkerEndpoint& rings_;
  BeforeWait before_wait_;
  std::size_t behind_;  ///< not yet in a window
  std::size_t window_size_ = 0;
};

}  // namespace rankpool::worker
