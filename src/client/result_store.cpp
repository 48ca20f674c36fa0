#include <rankpool/detail/result_store.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

namespace rankpool::inline v0_2::detail {
namespace {

/// They begin with a page.
constexpr std::size_t kAlignmentOfRuns = 4096;

/// Many small items, few large ones, so that a segment takes a megabyte at most, or one item.
unsigned segment_shift(const ResultForm& form) {
  const std::size_t cell = form.fixed() ? form.size : sizeof(Bytes);
  const std::size_t items = std::clamp<std::size_t>((std::size_t{1} << 20U) / cell, 1, 1024);
  return static_cast<unsigned>(std::bit_width(items) - 1);
}

}  // namespace

ValueRoom::ValueRoom(std::size_t size, std::size_t alignment) {
  if (size >= kLargeRun && alignment <= kAlignmentOfRuns) {
    run_ = take_run(size);
    return;
  }
  alignment_ = std::align_val_t{std::max<std::size_t>(alignment, alignof(std::max_align_t))};
  run_ = {static_cast<std::byte*>(::operator new[](size, alignment_)), size};
}

void ValueRoom::release() noexcept {
  const Run run = std::exchange(run_, Run());
  if (run.data == nullptr) return;
  if (alignment_ == std::align_val_t{0}) {
    give_run_back(run);
  } else {
    ::operator delete[](run.data, alignment_);
  }
}

ResultStore::ResultStore(ResultForm form) : form_(form), shift_(segment_shift(form)) {}
ResultStore::~ResultStore() = default;

void ResultStore::put_fixed(std::uint64_t first, std::uint32_t count, const std::byte* bytes) {
  while (count > 0) {
    const std::size_t part = std::min<std::size_t>(count, length() - place(first));
    std::memcpy(fixed_cell(first), bytes, part * form_.size);
    bytes += part * form_.size;
    first += part;
    count -= static_cast<std::uint32_t>(part);
  }
}

void ResultStore::put(std::uint64_t index, Bytes&& encoded) { encoded_cell(index) = std::move(encoded); }

void ResultStore::take(std::uint64_t index, Bytes& to) {
  to.clear();
  if (form_.fixed()) {
    to.append(fixed_cell(index), form_.size);
  } else {
    to = std::move(encoded_cell(index));
  }
  drop(index, 1);
}

std::span<const std::byte> ResultStore::run(std::uint64_t index, std::uint64_t end) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(end - index, length() - place(index)));
  return {fixed_cell(index), count * form_.size};
}

void ResultStore::drop(std::uint64_t index, std::uint64_t count) {
  while (count > 0) {
    Segment& segment = at(index);
    const std::uint64_t part = std::min<std::uint64_t>(count, length() - place(index));
    if ((segment.gone += static_cast<std::size_t>(part)) == length()) {
      segment.fixed.release();
      segment.encoded.reset();
      while (!segments_.empty() && segments_.front().gone == length()) {
        segments_.pop_front();
        ++first_segment_;
      }
    }
    index += part;
    count -= part;
  }
}

void ResultStore::clear() noexcept {
  segments_.clear();
  first_segment_ = 0;
}

ResultStore::Segment& ResultStore::at(std::uint64_t index) {
  const std::uint64_t number = (index >> shift_) - first_segment_;
  while (number >= segments_.size()) segments_.emplace_back();
  return segments_[static_cast<std::size_t>(number)];
}

std::byte* ResultStore::fixed_cell(std::uint64_t index) {
  Segment& segment = at(index);
  if (segment.fixed.data() == nullptr) segment.fixed = ValueRoom(length() * form_.size, form_.alignment);
  return segment.fixed.data() + place(index) * form_.size;
}

Bytes& ResultStore::encoded_cell(std::uint64_t index) {
  Segment& segment = at(index);
  if (!segment.encoded) segment.encoded = std::make_unique<Bytes[]>(length());
  return segment.encoded[place(index)];
}

void ArrivedItems::add(std::uint64_t first, std::uint64_t count) {
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

bool ArrivedItems::contains(std::uint64_t item) const noexcept {
  if (item < prefix_) return true;
  const auto behind = ranges_.upper_bound(item);
  return behind != ranges_.begin() && item < std::prev(behind)->second;
}

}  // namespace rankpool::inline v0_2::detail
