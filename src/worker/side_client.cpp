#include "worker/side_client.hpp"

#include "base/forked_copy.hpp"
#include "wire/frame_headers.hpp"

#include <rankpool/errors.hpp>

#include <unistd.h>
#include <algorithm>
#include <cstring>
#include <utility>

namespace rankpool::worker {

detail::Bytes SideClient::ask(std::span<const std::byte> request) {
  if (base::is_forked_copy()) throw Error(base::copy_complaint("a shared object"));
  if (rings_.takes_turns() && std::this_thread::get_id() != main_) {
    throw Error(
        "with MpContext::in_rank only the main thread of a task can use shared objects: it serves their replies");
  }
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(sending_);
    number = ++next_call_;
    send(number, request);
  }
  detail::Bytes reply;
  await([&] { return take_reply(number, reply); });
  forget_noted();
  return reply;
}

void SideClient::tell(std::span<const std::byte> request) {
  if (base::is_forked_copy()) return;  // what it gives back is the original's
  const std::lock_guard lock(sending_);
  send(0, request);
}

void SideClient::take_notices() {
  {
    const std::lock_guard lock(mutex_);
    read();
  }
  forget_noted();
}

void SideClient::send(std::uint64_t number, std::span<const std::byte> request) {
  const auto header = wire::CallHeader{wire::FrameKind::request, number}.frame(request.size());
  write(std::as_bytes(std::span(&header, 1)));
  write(request);
  channel_.control().side_out_tail.value.store(out_tail_, std::memory_order_seq_cst);
  rings_.wake_host();
}

void SideClient::write(std::span<const std::byte> bytes) {
  auto& control = channel_.control();
  const auto room = [&] {
    return channel::Channel::kSideRing -
           static_cast<std::size_t>(out_tail_ - control.side_out_head.value.load(std::memory_order_seq_cst));
  };
  while (!bytes.empty()) {
    if (room() == 0) {
      control.side_out_tail.value.store(out_tail_, std::memory_order_seq_cst);
      rings_.wake_host();
      await([&] { return room() != 0; });
    }
    const auto part = bytes.first(std::min(bytes.size(), room()));
    std::memcpy(channel_.side_out(out_tail_), part.data(), part.size());
    out_tail_ += part.size();
    bytes = bytes.subspan(part.size());
  }
}

void SideClient::read() {
  auto& control = channel_.control();
  std::uint64_t head = read_.load(std::memory_order_relaxed);
  const std::uint64_t tail = control.side_in_tail.value.load(std::memory_order_seq_cst);
  if (tail == head) return;
  const auto size = static_cast<std::size_t>(tail - head);
  const bool readable = reader_.feed(
      {channel_.side_in(head), size},
      [&](const wire::FrameHeader& header, std::span<const std::byte> payload, detail::Bytes* owned) {
        if (header.kind == wire::FrameKind::reply) {
          replies_[wire::CallHeader::of(header).number] = owned != nullptr ? std::move(*owned) : detail::Bytes(payload);
        } else if (header.kind == wire::FrameKind::forget) {
          forgotten_.push_back(wire::CallHeader::of(header).number);
        }
      });
  if (!readable) ::_exit(70);
  head += size;
  read_.store(head, std::memory_order_relaxed);
  control.side_in_head.value.store(head, std::memory_order_release);
  if (size > channel::Channel::kSideRing / 8) rings_.wake_host();  // it may have waited for room
}

bool SideClient::take_reply(std::uint64_t number, detail::Bytes& reply) {
  const std::lock_guard lock(mutex_);
  read();
  const auto found = replies_.find(number);
  if (found == replies_.end()) return false;
  reply = std::move(found->second);
  replies_.erase(found);
  return true;
}

void SideClient::forget_noted() {
  std::vector<std::uint64_t> gone;
  {
    const std::lock_guard lock(mutex_);
    gone.swap(forgotten_);
  }
  for (const auto id : gone) hooks_.forget(id);
}

template <class Ready>
void SideClient::await(Ready&& ready) {
  if (rings_.takes_turns()) {
    hooks_.before_sleep();
    return rings_.await_turns(ready);
  }
  if (rings_.spin_until(ready)) return;
  if (std::this_thread::get_id() == main_) hooks_.before_sleep();
  auto& control = channel_.control();
  while (true) {
    const std::uint32_t seen = control.side_wakeup.load(std::memory_order_seq_cst);
    // The host takes this away when it rings; nobody else does, since others may sleep as well.
    control.side_sleeping.store(1, std::memory_order_seq_cst);
    if (ready()) return;
    channel_.wait_for_side_wakeup(seen);
  }
}

}  // namespace rankpool::worker
