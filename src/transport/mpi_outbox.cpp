#include "transport/mpi_outbox.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::transport {

void Outbox::push(detail::Bytes message) {
  Message& added = messages_.emplace_back();
  added.length = message.size();
  added.bytes = std::move(message);
  unsent_ += added.bytes.size();
}

Outbox::Message& Outbox::posted(detail::Bytes message) {
  push(std::move(message));
  Message& added = messages_.back();
  started({&added, Tag::whole, added.bytes.data(), added.bytes.size(), added.bytes.size()});
  return added;
}

std::optional<Outbox::Start> Outbox::next_to_start() {
  if (posted_ == messages_.size() || flights_ >= kMaxFlights || bytes_ >= kMaxBytes) return std::nullopt;
  Message& message = messages_[posted_];
  const std::size_t size = message.bytes.size();
  if (size <= kPiece) return Start{&message, Tag::whole, message.bytes.data(), size, size};
  if (!message.begun) return Start{&message, Tag::begin, &message.length, sizeof message.length, 0};
  const std::size_t piece = std::min(kPiece, size - message.next);
  return Start{&message, Tag::part, message.bytes.data() + message.next, piece, piece};
}

void Outbox::started(const Start& start) {
  Message& message = *start.message;
  message.begun = true;
  message.next += start.size;
  if (start.tag != Tag::begin && message.next == message.bytes.size()) {
    message.posted = true;
    ++posted_;
  }
  ++message.flights;
  ++flights_;
  bytes_ += start.size;
}

void Outbox::landed(Message& message, std::size_t size) {
  --flights_;
  bytes_ -= size;
  unsent_ -= size;
  if (--message.flights == 0 && message.posted) message.bytes = {};
  while (!messages_.empty() && messages_.front().posted && messages_.front().flights == 0) {
    messages_.pop_front();
    --posted_;
  }
}

std::deque<Outbox::Message> Outbox::abandon() {
  posted_ = 0;
  flights_ = 0;
  bytes_ = unsent_ = 0;
  return std::exchange(messages_, {});
}

}  // namespace rankpool::transport
