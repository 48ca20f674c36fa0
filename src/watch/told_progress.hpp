#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace rankpool::watch {

/// What the program itself tells of its progress, from any thread, until the observer thread looks at it. Thread-safe.
class ToldProgress {
 public:
  struct Counts {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t retried = 0;
    std::uint64_t skipped = 0;
    std::optional<std::uint64_t> total;
    std::string note;
    bool finished = false;
  };
  ToldProgress(std::string label, std::optional<std::uint64_t> total) : label_(std::move(label)) {
    counts_.total = total;
  }

  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  template <class Change>
  void change(const Change& change) {
    const std::lock_guard lock(mutex_);
    if (!counts_.finished) change(counts_);
  }
  [[nodiscard]] Counts counts() const {
    const std::lock_guard lock(mutex_);
    return counts_;
  }

 private:
  const std::string label_;
  mutable std::mutex mutex_;
  Counts counts_;  // guarded by mutex_
};

}  // namespace rankpool::watch
