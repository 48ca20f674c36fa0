#include "worker/frame_line.hpp"

#include <poll.h>
#include <unistd.h>
#include <algorithm>
#include <cstring>

namespace rankpool::worker {

FrameLine::Frame FrameLine::receive() {
  Frame frame;
  rings_.await_input(sizeof frame.header);
  std::memcpy(&frame.header, rings_.input(), sizeof frame.header);
  rings_.take_input(sizeof frame.header);
  if (frame.header.magic != wire::kFrameMagic) ::_exit(70);
  frame.payload = rings_.gather(static_cast<std::size_t>(frame.header.length));
  return frame;
}

void FrameLine::send(const wire::FrameHeader& header, std::span<const std::byte> payload) {
  const std::lock_guard lock(sending_);
  write(std::as_bytes(std::span(&header, 1)));
  write(payload);
  rings_.publish();
}

void FrameLine::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // The rings' own way to wait is the main thread's, which may be waiting for input.
    while (rings_.room() == 0) {
      rings_.publish();
      ::poll(nullptr, 0, 1);
    }
    const auto part = bytes.first(std::min(bytes.size(), rings_.room()));
    rings_.write(part.data(), part.size());
    bytes = bytes.subspan(part.size());
  }
}

}  // namespace rankpool::worker
