#pragma once

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/keep_alives.hpp>
#include <rankpool/detail/result_receiver.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// The encoded items of a map: in blocks, which are freed when all their items have ended. Any run of items can be
/// gathered.
///
/// One thread appends, the engine thread gathers and releases.
class MapItems {
 public:
  /// What stands before the items of each chunk: the code reference and the callable.
  void set_head(Bytes head, KeepAlives keep_alives) {
    head_ = std::move(head);
    head_pins_ = std::move(keep_alives);
  }

  /// Appends an item; `encode(bytes)` writes it. What it throws becomes the item's failure, and `skip(bytes)` writes
  /// what stands for it.
  template <class Encode, class Skip>
  void append(Encode&& encode, Skip&& skip) {
    if (filling_.size() >= kBlock) close_block();
    const KeepAliveScope scope(keep_alives_);
    try {
      encode(filling_);
    } catch (...) {
      skip(filling_);
      failures_.emplace_back(next_, std::current_exception());
    }
    ends_.push_back(filling_.size());
    ++next_;
  }
  /// Appends an item of a map whose items all have this size; `encode(bytes)` writes it, and nothing if it throws.
  template <class Encode>
  void append_fixed(std::size_t size, Encode&& encode) {
    make_room(size);
    encode(filling_);
    ++next_;
  }
  /// The same with the first of many that stand in a row; returns how many, one at least.
  std::size_t append_row(std::span<const std::byte> items, std::size_t size);
  /// Makes what was appended visible to the engine.
  void flush() {
    if (next_ != block_first_) close_block();
  }

  /// From now on until `end_piece` it is told when there is enough to be handed in.
  void begin_piece() noexcept {
    piece_first_ = next_;
    piece_begin_ = appended_bytes();
  }
  void end_piece() noexcept { piece_begin_ = kNoPiece; }
  /// The piece is worth handing in: a worker has something to do with large items while the next are encoded. Small
  /// ones stay together, since a chunk's size follows from what is known to come.
  [[nodiscard]] bool piece_is_full() const noexcept {
    if (piece_begin_ == kNoPiece) return false;
    const std::uint64_t size = appended_bytes() - piece_begin_;
    return size >= kPiece && (size >= kPieceOfSmall || size / kLargeItem >= next_ - piece_first_);
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return next_; }
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return bytes_; }
  /// Of the items that have not ended, and of those in one block with them.
  [[nodiscard]] std::uint64_t living_bytes();
  std::vector<std::pair<std::uint64_t, std::exception_ptr>> take_failures() { return std::exchange(failures_, {}); }

  std::size_t gather(std::uint64_t first, std::uint32_t count, Gather& to);
  void release(std::uint64_t first, std::uint64_t count) noexcept;

 private:
  static constexpr std::size_t kBlock = 256 * 1024;
  static constexpr std::uint64_t kPiece = std::uint64_t{2} << 20U;
  static constexpr std::uint64_t kPieceOfSmall = 16 * kPiece;
  static constexpr std::uint64_t kLargeItem = std::uint64_t{64} << 10U;
  static constexpr std::uint64_t kNoPiece = UINT64_MAX;
  struct Block {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t living = 0;
    std::size_t stride = 0;         ///< if all items have this size
    std::vector<std::size_t> ends;  ///< else: where each ends
    Bytes bytes;
    KeepAlives keep_alives;  ///< shared objects whose handles the items hold
    [[nodiscard]] std::size_t end_of(std::uint64_t item) const {
      return stride != 0 ? static_cast<std::size_t>(item + 1) * stride : ends[static_cast<std::size_t>(item)];
    }
    /// Items that happen to have one size need no list.
    void drop_ends_if_even();
    [[nodiscard]] std::size_t begin_of(std::uint64_t item) const { return item == 0 ? 0 : end_of(item - 1); }
  };
  /// For items of one size: a block is reserved as a whole once it is worth that.
  void make_room(std::size_t size) {
    stride_ = size;
    if (size <= filling_.capacity() - filling_.size()) return;
    if (filling_.size() + size > kBlock) flush();
    filling_.reserve_more(filling_.size() < kBlock / 8 ? size : std::max(kBlock - filling_.size(), size));
  }
  void close_block();
  [[nodiscard]] std::uint64_t appended_bytes() const noexcept { return bytes_ + filling_.size(); }
  [[nodiscard]] std::size_t find(std::uint64_t item) const;

  Bytes head_;
  KeepAlives head_pins_;
  // The thread that appends.
  Bytes filling_;
  KeepAlives keep_alives_;
  std::size_t stride_ = 0;  ///< if all items have this size
  std::vector<std::size_t> ends_;
  std::uint64_t next_ = 0;
  std::uint64_t block_first_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t piece_first_ = 0;
  std::uint64_t piece_begin_ = kNoPiece;
  std::vector<std::pair<std::uint64_t, std::exception_ptr>> failures_;

  std::mutex mutex_;
  std::deque<Block> blocks_;        // guarded by mutex_
  std::uint64_t living_bytes_ = 0;  // guarded by mutex_
};

}  // namespace rankpool::inline v0_2::detail
