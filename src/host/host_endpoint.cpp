#include "host/host_endpoint.hpp"

#include "host/worker_host.hpp"
#include "wire/frame_headers.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rankpool::host {
namespace {

/// What is due to be told of short_chunk chunks is waited for so many times as long as one took: a worker rings when it
/// begins the last that it has, mostly the third.
constexpr int kShortChunks = 3;
constexpr std::uint64_t kLongestShort = 2'000'000;

}  // namespace

void HostEndpoint::write(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  if (backlog_.empty()) bytes = bytes.subspan(put(bytes));
  if (bytes.empty()) return;
  if (!owner) {
    auto copy = std::make_shared<detail::Bytes>(bytes);
    bytes = copy->view();
    owner = std::move(copy);
  }
  backlog_.push_back({bytes, std::move(owner)});
}

void HostEndpoint::write_side(std::span<const std::byte> bytes) {
  side_backlog_.insert(side_backlog_.end(), bytes.begin(), bytes.end());
  push_side();
}

/// Copies as much as there is room for, and a ring's worth at most; returns how much. What is long is shown stretch by
/// stretch, so that the worker takes one while the next is copied.
std::size_t HostEndpoint::put(std::span<const std::byte> bytes) {
  bytes = bytes.first(std::min(bytes.size(), channel::Channel::kRing));
  std::size_t done = 0;
  while (done < bytes.size()) {
    if (done != 0) publish();
    const std::uint64_t head = channel_.control().in_head.value.load(std::memory_order_acquire);
    if (head > in_tail_ || in_tail_ - head > channel::Channel::kRing) {
      rogue_ = true;
      return 0;
    }
    const std::size_t room = channel::Channel::kRing - static_cast<std::size_t>(in_tail_ - head);
    const std::size_t size = std::min({room, bytes.size() - done, stretch_});
    if (size == 0) break;
    std::memcpy(channel_.in(in_tail_), bytes.data() + done, size);
    in_tail_ += size;
    unpublished_ = true;
    done += size;
  }
  return done;
}

channel::FutexWake HostEndpoint::show() {
  if (!std::exchange(unpublished_, false)) return {};
  channel_.control().in_tail.value.store(in_tail_, std::memory_order_seq_cst);
  return strike_if_asleep(channel::Channel::SleepsFor::input);
}

bool HostEndpoint::push_backlog() {
  if (backlog_.empty()) return false;
  bool any = false;
  while (!backlog_.empty()) {
    Pending& first = backlog_.front();
    const std::size_t size = put(first.bytes);
    if (size == 0) break;
    any = true;
    first.bytes = first.bytes.subspan(size);
    if (!first.bytes.empty()) break;
    backlog_.pop_front();
  }
  publish();
  return any;
}

bool HostEndpoint::push_side() {
  if (side_backlog_.empty() || rogue_) return false;
  auto& control = channel_.control();
  const std::uint64_t head = control.side_in_head.value.load(std::memory_order_acquire);
  if (head > side_in_tail_ || side_in_tail_ - head > channel::Channel::kSideRing) {
    rogue_ = true;
    return false;
  }
  const std::size_t room = channel::Channel::kSideRing - static_cast<std::size_t>(side_in_tail_ - head);
  const std::size_t size = std::min(room, side_backlog_.size());
  if (size == 0) return false;
  const auto end = side_backlog_.begin() + static_cast<std::ptrdiff_t>(size);
  std::copy(side_backlog_.begin(), end, channel_.side_in(side_in_tail_));
  side_backlog_.erase(side_backlog_.begin(), end);
  side_in_tail_ += size;
  control.side_in_tail.value.store(side_in_tail_, std::memory_order_seq_cst);
  wake_side();
  wake(channel::Channel::SleepsFor::input);
  return true;
}

std::size_t HostEndpoint::waiting() const noexcept {
  std::size_t size = 0;
  for (const auto& pending : backlog_) size += pending.bytes.size();
  return size;
}

std::size_t HostEndpoint::drain(HostListener& listener, std::size_t limit) {
  if (rogue_) return 0;
  const std::uint64_t tail = channel_.control().out_tail.value.load(std::memory_order_acquire);
  const std::size_t side = drain_side(listener);
  if (rogue_ || tail == out_head_) return side;
  if (tail < out_head_ || tail - out_head_ > channel::Channel::kRing) {
    rogue_ = true;
    return 0;
  }
  if (collected_ != 0 && !skip_collected(listener, static_cast<std::size_t>(tail - out_head_))) return 0;
  output_since_ = true;
  const std::size_t size = std::min(limit, static_cast<std::size_t>(tail - out_head_));
  for (std::size_t done = 0; done < size;) {
    const std::size_t part = std::min(size - done, stretch_);
    listener.worker_output(id_, {channel_.out(out_head_), part});
    move_out_head(part);
    done += part;
  }
  return size + side;
}

std::size_t HostEndpoint::drain_side(HostListener& listener) {
  auto& control = channel_.control();
  const std::uint64_t tail = control.side_out_tail.value.load(std::memory_order_acquire);
  if (tail == side_out_head_) return 0;
  if (tail < side_out_head_ || tail - side_out_head_ > channel::Channel::kSideRing) {
    rogue_ = true;
    return 0;
  }
  const auto size = static_cast<std::size_t>(tail - side_out_head_);
  listener.worker_side_output(id_, {channel_.side_out(side_out_head_), size});
  side_out_head_ += size;
  control.side_out_head.value.store(side_out_head_, std::memory_order_seq_cst);
  wake_side();
  return size;
}

bool HostEndpoint::has_output() noexcept {
  if (rogue_) return false;
  auto& control = channel_.control();
  return control.out_tail.value.load(std::memory_order_seq_cst) != out_head_ ||
         control.side_out_tail.value.load(std::memory_order_seq_cst) != side_out_head_;
}

/// Of the frame that begins the output something was given out already: its header is told as of the rest.
bool HostEndpoint::skip_collected(HostListener& listener, std::size_t size) {
  wire::FrameHeader header;
  if (size >= sizeof header) std::memcpy(&header, channel_.out(out_head_), sizeof header);
  auto values = wire::OutcomeHeader::of(header);
  if (size < sizeof header || values.kind != wire::FrameKind::values || values.items < collected_ ||
      values.size > size - sizeof header || values.size % values.items != 0) {
    rogue_ = true;
    return false;
  }
  const std::size_t part = static_cast<std::size_t>(collected_) * (values.size / values.items);
  values.first += collected_;
  values.items -= static_cast<std::uint32_t>(collected_);
  values.size -= part;
  header = values.frame();
  collected_ = 0;
  listener.worker_output(id_, std::as_bytes(std::span(&header, 1)));
  move_out_head(sizeof header + part);
  return true;
}

bool HostEndpoint::give_unpublished(HostListener& listener) {
  if (rogue_) return false;
  auto& control = channel_.control();
  const std::uint64_t begin = control.open_begin.load(std::memory_order_acquire);
  if (begin != out_head_) return false;
  const std::uint64_t base = control.open_base.load(std::memory_order_acquire);
  const std::uint64_t element = control.open_element.load(std::memory_order_acquire);
  const std::uint64_t chunk = control.open_chunk.load(std::memory_order_acquire);
  const std::uint64_t first = control.open_first.load(std::memory_order_acquire);
  const std::uint64_t ended = control.progress.load(std::memory_order_acquire) / 2;
  // What was read belongs together if the frame is still open: the worker publishes one before it opens the next.
  if (control.out_tail.value.load(std::memory_order_acquire) != out_head_) return false;
  if (ended <= base || ended - base <= collected_ || element == 0) return false;
  const std::uint64_t count = ended - base;
  if (count > channel::Channel::kRing || element > channel::Channel::kRing ||
      count * element > channel::Channel::kRing - sizeof(wire::FrameHeader)) {
    return false;
  }
  wire::OutcomeHeader values;
  values.kind = wire::FrameKind::values;
  values.items = static_cast<std::uint32_t>(count - collected_);
  values.chunk = chunk;
  values.first = first + collected_;
  values.size = static_cast<std::size_t>(values.items * element);
  const wire::FrameHeader header = values.frame();
  const std::byte* const bytes = channel_.out(begin) + sizeof header + collected_ * element;
  collected_ = count;
  listener.worker_output(id_, std::as_bytes(std::span(&header, 1)));
  listener.worker_output(id_, {bytes, values.size});
  return true;
}

bool HostEndpoint::collect_unpublished(HostListener& listener) {
  const std::uint64_t progress = channel_.control().progress.load(std::memory_order_acquire);
  return std::exchange(progress_, progress) == progress && give_unpublished(listener);
}

bool HostEndpoint::may_hold_back() noexcept {
  return channel_.control().chunk_items.load(std::memory_order_seq_cst) > 1;
}

bool HostEndpoint::at_work() noexcept { return channel_.control().chunk_items.load(std::memory_order_relaxed) != 0; }

bool HostEndpoint::inside_item() noexcept {
  return (channel_.control().progress.load(std::memory_order_acquire) & 1U) != 0;
}

std::optional<std::chrono::steady_clock::time_point> HostEndpoint::defer_wakeups(
    std::chrono::steady_clock::time_point now) noexcept {
  if (std::exchange(output_since_, false)) last_output_ = now;
  auto& control = channel_.control();
  const std::uint64_t short_chunk = std::min(control.short_chunk.load(std::memory_order_relaxed), kLongestShort);
  const auto until = last_output_ + kShortChunks * std::chrono::nanoseconds(short_chunk);
  const bool has_the_next = control.chunk_items.load(std::memory_order_relaxed) != 0 &&
                            control.chunk_end.load(std::memory_order_relaxed) < in_tail_;
  const bool defer_wakeup = has_the_next && now < until;
  control.defer_wakeup.store(defer_wakeup ? 1 : 0, std::memory_order_seq_cst);
  return defer_wakeup ? std::optional(until) : std::nullopt;
}

void HostEndpoint::move_out_head(std::uint64_t size) {
  out_head_ += size;
  channel_.control().out_head.value.store(out_head_, std::memory_order_seq_cst);
  wake(channel::Channel::SleepsFor::room);
}

channel::FutexWake HostEndpoint::strike_if_asleep(channel::Channel::SleepsFor what) {
  auto& control = channel_.control();
  auto seen = static_cast<std::uint32_t>(what);
  if (control.worker_sleeping.load(std::memory_order_seq_cst) == seen &&
      control.worker_sleeping.compare_exchange_strong(seen, 0, std::memory_order_seq_cst)) {
    return channel_.take_wakeup();
  }
  return {};
}

void HostEndpoint::wake_side() {
  auto& control = channel_.control();
  if (control.side_sleeping.load(std::memory_order_seq_cst) != 0 &&
      control.side_sleeping.exchange(0, std::memory_order_seq_cst) != 0) {
    channel_.send_side_wakeup();
  }
}

}  // namespace rankpool::host
