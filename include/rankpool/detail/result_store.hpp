#pragma once

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// How a type of results is kept: those of fixed size as their bytes, which need no constructor; others encoded.
struct ResultForm {
  std::size_t size = 0;  ///< of one value; 0 if they are kept encoded
  std::size_t alignment = 1;
  [[nodiscard]] bool fixed() const noexcept { return size != 0; }
};

/// Room for values: a Run if it is large, so that its pages come back for the next ones.
class ValueRoom {
 public:
  ValueRoom() noexcept = default;
  /// Throws std::bad_alloc.
  ValueRoom(std::size_t size, std::size_t alignment);
  ValueRoom(ValueRoom&& other) noexcept : run_(std::exchange(other.run_, Run())), alignment_(other.alignment_) {}
  ValueRoom& operator=(ValueRoom&& other) noexcept {
    std::swap(run_, other.run_);
    std::swap(alignment_, other.alignment_);
    return *this;
  }
  ~ValueRoom() { release(); }
  void release() noexcept;
  /// Null if there is none.
  [[nodiscard]] std::byte* data() const noexcept { return run_.data; }

 private:
  Run run_;
  std::align_val_t alignment_{0};  ///< of what `new` has made; 0: it is a Run
};

/// Results of a map by index, in segments that are made when the first of their items comes and freed when the last was
/// taken. Not thread-safe.
class ResultStore {
 public:
  explicit ResultStore(ResultForm form);
  ResultStore(ResultStore&&) = delete;
  ~ResultStore();

  [[nodiscard]] ResultForm form() const noexcept { return form_; }
  /// For values of fixed size. Throws std::bad_alloc, as `put` does.
  void put_fixed(std::uint64_t first, std::uint32_t count, const std::byte* bytes);
  /// For encoded values.
  void put(std::uint64_t index, Bytes&& encoded);
  /// The value as its bytes, or encoded, in `to`, whose room is used again. Its place is needed no more.
  void take(std::uint64_t index, Bytes& to);
  /// Values of fixed size from this one on that stand in one segment, `end` excluded.
  [[nodiscard]] std::span<const std::byte> run(std::uint64_t index, std::uint64_t end);
  /// Says that so many items from this one on need no place any more.
  void drop(std::uint64_t index, std::uint64_t count);
  void clear() noexcept;

 private:
  struct Segment {
    ValueRoom fixed;
    std::unique_ptr<Bytes[]> encoded;
    std::size_t gone = 0;
  };
  [[nodiscard]] std::size_t length() const noexcept { return std::size_t{1} << shift_; }
  [[nodiscard]] std::size_t place(std::uint64_t index) const noexcept {
    return static_cast<std::size_t>(index) & (length() - 1);
  }
  Segment& at(std::uint64_t index);
  std::byte* fixed_cell(std::uint64_t index);
  Bytes& encoded_cell(std::uint64_t index);

  const ResultForm form_;
  const unsigned shift_;  ///< a segment has 2^shift_ items
  std::deque<Segment> segments_;
  std::uint64_t first_segment_ = 0;
};

/// Which items of a growing sequence are there: a prefix, and ranges behind it.
class ArrivedItems {
 public:
  void add(std::uint64_t first, std::uint64_t count);
  [[nodiscard]] bool contains(std::uint64_t item) const noexcept;
  /// All items before this one are there.
  [[nodiscard]] std::uint64_t prefix() const noexcept { return prefix_; }

 private:
  std::uint64_t prefix_ = 0;
  std::map<std::uint64_t, std::uint64_t> ranges_;
};

}  // namespace rankpool::inline v0_2::detail
