#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/codec.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// Results of a map by index, in segments that are made when the first of their items comes and freed when the last was
/// taken. Not thread-safe.
template <class R>
class ResultStore {
 public:
  static constexpr bool fixed = fixed_size<R>;
  /// A value as its bytes: R need not have a default constructor, nor be assigned to.
  struct Plain {
    alignas(R) std::byte bytes[sizeof(R)];
    [[nodiscard]] R value() const {
      return read_plain<R>([&](void* to) { std::memcpy(to, bytes, sizeof bytes); });
    }
  };
  using Cell = std::conditional_t<fixed, Plain, Bytes>;
  /// Cells of one segment: many small ones, few large ones, so that a segment takes a megabyte, or one cell.
  static constexpr std::size_t kSegment = std::clamp<std::size_t>((std::size_t{1} << 20U) / sizeof(Cell), 1, 1024);

  void put_fixed(std::uint64_t first, std::uint32_t count, const std::byte* bytes) {
    while (count > 0) {
      Segment& segment = at(first);
      const std::size_t place = static_cast<std::size_t>(first % kSegment);
      const std::size_t part = std::min<std::size_t>(count, kSegment - place);
      if constexpr (fixed) {
        std::memcpy(static_cast<void*>(segment.cells() + place), bytes, part * sizeof(R));
        bytes += part * sizeof(R);
      }
      first += part;
      count -= static_cast<std::uint32_t>(part);
    }
  }
  void put(std::uint64_t index, Bytes encoded) {
    if constexpr (!fixed) at(index).cells()[index % kSegment] = std::move(encoded);
  }
  Cell take(std::uint64_t index) {
    Segment& segment = at(index);
    Cell cell = std::move(segment.cells()[index % kSegment]);
    drop(index, 1);
    return cell;
  }
  /// Copies a run of fixed-size values that stand in one segment; returns how many.
  std::size_t take_run(std::uint64_t index, std::uint64_t end, std::vector<R>& to) requires fixed {
    const std::size_t place = static_cast<std::size_t>(index % kSegment);
    const std::size_t part = static_cast<std::size_t>(std::min<std::uint64_t>(end - index, kSegment - place));
    const Plain* const from = at(index).cells() + place;
    if constexpr (std::is_copy_assignable_v<R> && !std::is_same_v<R, bool>) {
      const R* const first = std::launder(reinterpret_cast<const R*>(from));
      to.insert(to.end(), first, first + part);
    } else {
      for (std::size_t i = 0; i < part; ++i) to.push_back(from[i].value());
    }
    drop(index, part);
    return part;
  }
  /// Says that so many items from this one on need no place any more.
  void drop(std::uint64_t index, std::uint64_t count) {
    while (count > 0) {
      Segment& segment = at(index);
      const std::uint64_t part = std::min<std::uint64_t>(count, kSegment - index % kSegment);
      if ((segment.gone += static_cast<std::size_t>(part)) == kSegment) {
        segment.room.reset();
        while (!segments_.empty() && segments_.front().gone == kSegment) {
          segments_.pop_front();
          ++first_segment_;
        }
      }
      index += part;
      count -= part;
    }
  }

 private:
  struct Segment {
    std::unique_ptr<Cell[]> room;
    std::size_t gone = 0;
    Cell* cells() {
      if (!room) {
        if constexpr (fixed) {
          room = std::make_unique_for_overwrite<Cell[]>(kSegment);
        } else {
          room = std::make_unique<Cell[]>(kSegment);
        }
      }
      return room.get();
    }
  };
  Segment& at(std::uint64_t index) {
    const std::uint64_t number = index / kSegment - first_segment_;
    while (number >= segments_.size()) segments_.emplace_back();
    return segments_[static_cast<std::size_t>(number)];
  }
  std::deque<Segment> segments_;
  std::uint64_t first_segment_ = 0;
};

/// Which items of a growing sequence are there: a prefix, and ranges behind it.
class ArrivedItems {
 public:
  void add(std::uint64_t first, std::uint64_t count) {
    if (first != prefix_) {
      ranges_[first] = first + count;
      return;
    }
    prefix_ += count;
    while (!ranges_.empty() && ranges_.begin()->first <= prefix_) {
      prefix_ = std::max(prefix_, ranges_.begin()->second);
      ranges_.erase(ranges_.begin());
    }
  }
  [[nodiscard]] bool contains(std::uint64_t item) const {
    if (item < prefix_) return true;
    const auto behind = ranges_.upper_bound(item);
    return behind != ranges_.begin() && item < std::prev(behind)->second;
  }
  /// All items before this one are there.
  [[nodiscard]] std::uint64_t prefix() const noexcept { return prefix_; }

 private:
  std::uint64_t prefix_ = 0;
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

}  // namespace rankpool::inline v0_2::detail
