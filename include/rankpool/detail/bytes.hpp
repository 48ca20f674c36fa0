#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// Large runs of memory. The first touch of a page costs more than the copy that it is touched for, so what was given
/// back is kept for the next one, up to a limit, and the largest are made of huge pages. All of it is thread-safe.
struct Run {
  std::byte* data = nullptr;
  std::size_t size = 0;
};
/// Less is left to `malloc`, which keeps its own.
inline constexpr std::size_t kLargeRun = std::size_t{128} << 10U;
/// At least `size` bytes, which must be kLargeRun at least. Throws std::bad_alloc.
Run take_run(std::size_t size);
/// The same bytes with more room behind them, maybe elsewhere. Throws std::bad_alloc, and `run` stays as it is.
Run grow_run(Run run, std::size_t used, std::size_t size);
/// The same with less room.
Run cut_run(Run run, std::size_t size) noexcept;
void give_run_back(Run run) noexcept;
/// Nothing is kept any more of what was given back until now.
void drop_kept_runs() noexcept;
/// Asks for huge pages where memory that is about to be written has room for them; a request.
void advise_huge(void* begin, std::size_t size) noexcept;

/// A growable run of bytes: what `std::vector<std::byte>` would be if growing did not write zeros first.
/// Moves are cheap, copies are explicit. Not thread-safe.
class Bytes {
 public:
  Bytes() noexcept = default;
  explicit Bytes(std::size_t size) { grow_by(size); }
  explicit Bytes(std::span<const std::byte> from) { append(from.data(), from.size()); }

  Bytes(Bytes&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Bytes& operator=(Bytes&& other) noexcept {
    if (this != &other) {
      release();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { release(); }

  [[nodiscard]] std::byte* data() noexcept { return data_; }
  [[nodiscard]] const std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> view() const noexcept { return {data_, size_}; }
  // NOLINTNEXTLINE(google-explicit-constructor): a view of itself is what every reader wants
  operator std::span<const std::byte>() const noexcept { return view(); }

  /// Appends `size` bytes of unspecified content and returns where they begin.
  std::byte* grow_by(std::size_t size) {
    reserve_more(size);
    std::byte* const begin = data_ + size_;
    size_ += size;
    return begin;
  }
  void append(const void* from, std::size_t size) {
    if (size != 0) std::memcpy(grow_by(size), from, size);
  }
  /// Cuts back to `size` bytes, which must not be more than there are.
  void truncate(std::size_t size) noexcept { size_ = size; }
  void clear() noexcept { size_ = 0; }
  /// Gives memory beyond the content back; for what is kept long.
  void shrink_to_fit() {
    if (size_ == 0) {
      *this = Bytes();
    } else if (capacity_ >= kLargeRun && size_ < kLargeRun) {
      *this = Bytes(view());
    } else if (capacity_ >= kLargeRun) {
      adopt(cut_run({data_, capacity_}, size_));
    } else if (size_ < capacity_) {
      if (auto* smaller = static_cast<std::byte*>(std::realloc(data_, size_))) adopt({smaller, size_});
    }
  }
  /// Makes room for `more` bytes beyond the content.
  void reserve_more(std::size_t more) {
    if (more > capacity_ - size_) reserve_slowly(more);
  }

 private:
  void reserve_slowly(std::size_t more) {
    if (more > static_cast<std::size_t>(-1) / 2 - size_) throw std::bad_alloc();
    std::size_t wanted = size_ + more;
    if (wanted < capacity_ + capacity_ / 2) wanted = capacity_ + capacity_ / 2;
    if (capacity_ >= kLargeRun) {
      adopt(grow_run({data_, capacity_}, size_, wanted));
    } else if (wanted >= kLargeRun) {
      const Run larger = take_run(wanted);
      if (size_ != 0) std::memcpy(larger.data, data_, size_);
      std::free(data_);
      adopt(larger);
    } else {
      auto* larger = static_cast<std::byte*>(std::realloc(data_, wanted));
      if (larger == nullptr) throw std::bad_alloc();
      adopt({larger, wanted});
    }
  }
  void adopt(Run run) noexcept {
    data_ = run.data;
    capacity_ = run.size;
  }
  void release() noexcept {
    if (capacity_ >= kLargeRun) {
      give_run_back({data_, capacity_});
    } else {
      std::free(data_);
    }
  }

  std::byte* data_ = nullptr;  ///< from malloc, or a Run if there is room for so much
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace rankpool::inline v0_2::detail
