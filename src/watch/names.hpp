#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rankpool::watch {

/// What is known of a piece of work besides numbers.
struct WorkNote {
  std::string name;                     ///< given by the user; else `head` tells
  std::vector<std::byte> head;          ///< code reference and encoded callable
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
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, WorkNote> notes_;
  std::vector<std::string> hosts_;
  std::uint64_t last_ = 0;
};

}  // namespace rankpool::watch
