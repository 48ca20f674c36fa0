#pragma once

#include <algorithm>
#include <queue>
#include <vector>

namespace rankpool::parallel {

/// The median of what was added.
class Median {
 public:
  void add(double value) {
    if (low_.empty() || value <= low_.top()) {
      low_.push(value);
    } else {
      high_.push(value);
    }
    if (low_.size() > high_.size() + 1) {
      high_.push(low_.top());
      low_.pop();
    } else if (high_.size() > low_.size()) {
      low_.push(high_.top());
      high_.pop();
    }
  }
  [[nodiscard]] std::size_t count() const { return low_.size() + high_.size(); }
  /// The lower one of two; 0 if nothing was added.
  [[nodiscard]] double value() const { return low_.empty() ? 0 : low_.top(); }

 private:
  std::priority_queue<double> low_;
  std::priority_queue<double, std::vector<double>, std::greater<>> high_;
};

}  // namespace rankpool::parallel
