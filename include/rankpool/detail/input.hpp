#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// Bytes that are read in order. Most stand in a row; a large payload comes in windows, of which each is forgotten when
/// the next is asked for. Not thread-safe.
class Input {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): bytes in a row are an input
  Input(std::span<const std::byte> all) noexcept : window_(all), left_(all.size()) {}
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  virtual ~Input() = default;

  [[nodiscard]] std::size_t left() const noexcept { return left_; }

  /// The next `size` bytes, which must not be more than are left.
  void read(void* to, std::size_t size) {
    if (size <= window_.size()) [[likely]] {
      if (size != 0) std::memcpy(to, window_.data(), size);
      advance(size);
    } else {
      auto* at = static_cast<std::byte*>(to);
      read_parts(size, [&](std::span<const std::byte> part) {
        std::memcpy(at, part.data(), part.size());
        at += part.size();
      });
    }
  }
  /// The next `size` bytes where they stand; nothing, and none is read, if they do not stand in a row.
  [[nodiscard]] const std::byte* read_in_place(std::size_t size) noexcept {
    if (size > window_.size()) return nullptr;
    const std::byte* const begin = window_.data();
    advance(size);
    return begin;
  }
  /// Of the next `size` bytes those that stand in a row, in whole pieces; none if the next piece does not stand so.
  [[nodiscard]] std::span<const std::byte> read_pieces(std::size_t size, std::size_t piece) {
    if (window_.empty()) window_ = next_window();
    const auto row = window_.first(std::min(size, window_.size()) / piece * piece);
    advance(row.size());
    return row;
  }
  /// The same as `read`, part by part.
  template <class Take>
  void read_parts(std::size_t size, Take&& take) {
    while (size > 0) {
      if (window_.empty()) window_ = next_window();
      const std::size_t part = std::min(size, window_.size());
      take(window_.first(part));
      advance(part);
      size -= part;
    }
  }
  void skip(std::size_t size) {
    read_parts(size, [](std::span<const std::byte>) {});
  }

  /// While it lives, no more than `size` bytes are left, and at its end they are gone. `size` must not be more than
  /// are.
  class Part {
   public:
    Part(Input& of, std::size_t size) noexcept : of_(of), behind_(std::exchange(of.left_, size) - size) {}
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() {
      of_.skip(of_.left_);
      of_.left_ = behind_;
    }

   private:
    Input& of_;
    std::size_t behind_;
  };

 protected:
  /// Of `size` bytes, of which none is there.
  explicit Input(std::size_t size) noexcept : left_(size) {}
  /// Only called when all that it gave has been read, and there is more.
  virtual std::span<const std::byte> next_window() { return {}; }

 private:
  void advance(std::size_t size) noexcept {
    window_ = window_.subspan(size);
    left_ -= size;
  }

  std::span<const std::byte> window_;
  std::size_t left_;
};

}  // namespace rankpool::inline v0_2::detail
