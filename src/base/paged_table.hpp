#pragma once

#include "base/prefetch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace rankpool::base {

/// A table of things named by numbers that are given out once and in increasing order: look-up in constant time, memory
/// only for the pages that still hold something. Not thread-safe.
template <class T>
class PagedTable {
 public:
  /// Makes the entry `id`, which must not be there. Ids may come a little out of order.
  T& insert(std::uint64_t id, T entry) {
    if (pages_.empty()) first_page_ = id / kPage;
    for (; id / kPage < first_page_; --first_page_) pages_.insert(pages_.begin(), nullptr);
    const std::size_t index = static_cast<std::size_t>(id / kPage - first_page_);
    while (index >= pages_.size()) pages_.push_back(nullptr);
    auto& page = pages_[index];
    if (!page) page = std::make_unique<Page>();
    ++page->used;
    ++size_;
    auto& slot = page->slots[id % kPage];
    slot.used = true;
    slot.entry = std::move(entry);
    return slot.entry;
  }
  /// The entry, or null.
  [[nodiscard]] T* find(std::uint64_t id) noexcept {
    const std::uint64_t number = id / kPage;
    if (number < first_page_ || number - first_page_ >= pages_.size()) return nullptr;
    auto& page = pages_[static_cast<std::size_t>(number - first_page_)];
    if (!page || !page->slots[id % kPage].used) return nullptr;
    return &page->slots[id % kPage].entry;
  }
  /// Has the entry fetched into the caches, if there may be one.
  void prefetch(std::uint64_t id) const noexcept {
    const std::uint64_t number = id / kPage;
    if (number < first_page_ || number - first_page_ >= pages_.size()) return;
    if (const auto& page = pages_[static_cast<std::size_t>(number - first_page_)]) {
      base::prefetch(&page->slots[id % kPage]);
    }
  }
  void erase(std::uint64_t id) {
    if (find(id) == nullptr) return;
    auto& page = pages_[static_cast<std::size_t>(id / kPage - first_page_)];
    auto& slot = page->slots[id % kPage];
    slot.entry = T{};
    slot.used = false;
    --size_;
    if (--page->used == 0) {
      page.reset();
      const auto first = std::find_if(pages_.begin(), pages_.end(), [](const auto& one) { return one != nullptr; });
      first_page_ += static_cast<std::uint64_t>(first - pages_.begin());
      pages_.erase(pages_.begin(), first);
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  template <class Visit>
  void for_each(Visit&& visit) {
    for (std::size_t page = 0; page < pages_.size(); ++page) {
      for (std::size_t i = 0; pages_[page] && i < kPage; ++i) {
        if (pages_[page]->slots[i].used) visit((first_page_ + page) * kPage + i, pages_[page]->slots[i].entry);
      }
    }
  }

 private:
  static constexpr std::size_t kPage = 256;
  struct Slot {
    T entry{};
    bool used = false;
  };
  struct Page {
    std::size_t used = 0;
    std::array<Slot, kPage> slots{};
  };
  std::vector<std::unique_ptr<Page>> pages_;  ///< looked up far more often than one at the front goes
  std::uint64_t first_page_ = 0;
  std::size_t size_ = 0;
};

}  // namespace rankpool::base
