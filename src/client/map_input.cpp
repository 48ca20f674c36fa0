#include <rankpool/detail/map_input.hpp>

#include <algorithm>
#include <utility>

namespace rankpool::inline v0_2::detail {

std::size_t MapItems::append_row(std::span<const std::byte> items, std::size_t size) {
  if (filling_.size() + size > kBlock) flush();
  const std::size_t room = kBlock - std::min(kBlock, filling_.size());
  const std::size_t count = std::min(items.size() / size, std::max<std::size_t>(room / size, 1));
  stride_ = size;
  filling_.append(items.data(), count * size);
  next_ += count;
  return count;
}

void MapItems::close_block() {
  Block block;
  block.first = block_first_;
  block.count = block.living = next_ - block_first_;
  filling_.shrink_to_fit();
  block.bytes = std::move(filling_);
  block.keep_alives = std::exchange(keep_alives_, {});
  block.stride = stride_;
  block.ends = std::exchange(ends_, {});
  if (stride_ == 0) block.drop_ends_if_even();
  block_first_ = next_;
  bytes_ += block.bytes.size();
  const std::lock_guard lock(mutex_);
  living_bytes_ += block.bytes.size();
  blocks_.push_back(std::move(block));
}

void MapItems::Block::drop_ends_if_even() {
  const std::size_t size = ends.front();
  if (size == 0) return;
  for (std::size_t i = 1; i < ends.size(); ++i) {
    if (ends[i] != (i + 1) * size) return;
  }
  stride = size;
  ends = {};
}

std::size_t MapItems::find(std::uint64_t item) const {
  const auto behind = std::upper_bound(blocks_.begin(), blocks_.end(), item,
                                       [](std::uint64_t wanted, const Block& block) { return wanted < block.first; });
  return static_cast<std::size_t>(behind - blocks_.begin()) - 1;
}

std::size_t MapItems::gather(std::uint64_t first, std::uint32_t count, Gather& to) {
  to.push_back(head_.view());
  const std::lock_guard lock(mutex_);
  std::uint64_t left = count;
  for (std::size_t i = find(first); left > 0; ++i) {
    const Block& block = blocks_[i];
    const std::uint64_t from = first - block.first;
    const std::uint64_t part = std::min(left, block.count - from);
    const std::size_t begin = block.begin_of(from);
    to.push_back(block.bytes.view().subspan(begin, block.end_of(from + part - 1) - begin));
    first += part;
    left -= part;
  }
  return head_.size();
}

void MapItems::release(std::uint64_t first, std::uint64_t count) noexcept {
  const std::lock_guard lock(mutex_);
  if (blocks_.empty() || first < blocks_.front().first) return;
  for (std::size_t i = find(first); count > 0 && i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    const std::uint64_t part = std::min(count, block.first + block.count - first);
    block.living -= std::min(block.living, part);
    if (block.living == 0) {
      living_bytes_ -= block.bytes.size();
      block.bytes = Bytes();
      block.keep_alives = KeepAlives();
    }
    first += part;
    count -= part;
  }
  while (!blocks_.empty() && blocks_.front().living == 0) blocks_.pop_front();
}

std::uint64_t MapItems::living_bytes() {
  const std::lock_guard lock(mutex_);
  return living_bytes_;
}

}  // namespace rankpool::inline v0_2::detail
