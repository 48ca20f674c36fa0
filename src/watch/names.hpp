#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// What is known of a piece of work besides numbers.
struct WorkNote {
  std::string name;                     ///< given by the user
  std::optional<std::string> progress;  ///< label of its progress line, if it wants one
};

/// Texts that go beside the ring: who appends an event stores the text first. Thread-safe.
class Names {
 public:
  std::uint64_t add_note(WorkNote note) {
    const std::lock_guard lock(mutex_);
    notes_.emplace(++last_, std::move(note));
    return last_;
  }
  /// Each is taken once, by the reader of the event.
  [[nodiscard]] WorkNote take_note(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = notes_.find(number);
    if (found == notes_.end()) return {};
    WorkNote note = std::move(found->second);
    notes_.erase(found);
    return note;
  }
  /// Code reference and encoded callable of a task: the same number for the same bytes; 0 if there are too many.
  std::uint64_t add_head(std::span<const std::byte> head) {
    const std::string_view bytes(reinterpret_cast<const char*>(head.data()), head.size());
    const std::lock_guard lock(mutex_);
    if (!heads_.empty() && heads_.back() == bytes) return heads_.size();
    const auto found = head_numbers_.find(std::string(bytes));
    if (found != head_numbers_.end()) return found->second;
    if (heads_.size() >= kMostHeads) return 0;
    heads_.emplace_back(bytes);
    head_numbers_.emplace(heads_.back(), heads_.size());
    return heads_.size();
  }
  [[nodiscard]] std::string head(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    return number != 0 && number <= heads_.size() ? heads_[static_cast<std::size_t>(number) - 1] : std::string();
  }
  std::uint64_t add_host(std::string_view host) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (hosts_[i] == host) return i;
    }
    hosts_.emplace_back(host);
    return hosts_.size() - 1;
  }
  [[nodiscard]] std::string host(std::uint64_t number) const {
    const std::lock_guard lock(mutex_);
    return number < hosts_.size() ? hosts_[static_cast<std::size_t>(number)] : std::string();
  }

 private:
  static constexpr std::size_t kMostHeads = 4096;  ///< callables with data of their own may be without number

  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, WorkNote> notes_;
  std::vector<std::string> hosts_;
  std::vector<std::string> heads_;
  std::unordered_map<std::string, std::uint64_t> head_numbers_;
  std::uint64_t last_ = 0;
};

}  // namespace rankpool::watch
