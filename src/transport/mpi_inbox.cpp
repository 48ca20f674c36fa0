#include "transport/mpi_inbox.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::transport {
namespace {

/// Room that a message in parts gets at first; later as much again as has arrived. Most messages then never move.
constexpr std::size_t kFirstRoom = std::size_t{64} << 20U;

}  // namespace

void Inbox::matched(Tag tag, MPI_Message message, std::size_t size) {
  entries_.emplace_back();
  Entry& entry = entries_.back();
  entry.tag = tag;
  entry.message = message;
  entry.size = size;
}

Inbox::Entry& Inbox::taken(detail::Bytes bytes) {
  matched(Tag::whole, MPI_MESSAGE_NULL, bytes.size());
  entries_.back().bytes = std::move(bytes);
  ++started_;
  return entries_.back();
}

std::optional<Inbox::Start> Inbox::next_to_start() {
  if (started_ == entries_.size()) return std::nullopt;
  Entry& entry = entries_[started_];
  switch (entry.tag) {
    case Tag::whole:
      entry.bytes = detail::Bytes(entry.size);
      ++started_;
      return Start{&entry, entry.bytes.data()};
    case Tag::begin:
      if (entry.size != sizeof entry.length) return std::nullopt;  // hand_out complains
      ++started_;
      return Start{&entry, reinterpret_cast<std::byte*>(&entry.length)};
    case Tag::part:
      break;
  }
  if (entry.tag != Tag::part || !assembling_ || entry.size == 0 || entry.size > length_ - planned_) return std::nullopt;
  if (partial_.capacity() - partial_.size() < entry.size) {
    // Growing may move it: not while MPI writes to it.
    if (planned_ != complete_) return std::nullopt;
    const std::uint64_t room =
        std::min<std::uint64_t>(length_ - planned_, std::max<std::uint64_t>(planned_, kFirstRoom));
    partial_.reserve_more(std::max(static_cast<std::size_t>(room), entry.size));
  }
  planned_ += entry.size;
  ++started_;
  return Start{&entry, partial_.grow_by(entry.size)};
}

std::optional<std::string> Inbox::hand_out(Rank from, std::vector<Incoming>& arrived) {
  while (!entries_.empty()) {
    Entry& entry = entries_.front();
    // What cannot be started though nothing stands before it never will be.
    const bool alone = started_ == 0;
    switch (entry.tag) {
      case Tag::whole:
        if (assembling_) return "a message amid the parts of another";
        if (!entry.done) return std::nullopt;
        arrived.push_back({from, std::move(entry.bytes)});
        break;
      case Tag::begin:
        if (entry.size != sizeof entry.length) return "a length of another size";
        if (assembling_) return "a message amid the parts of another";
        if (!entry.done) return std::nullopt;
        if (entry.length == 0) return "a message in parts that is empty";
        assembling_ = true;
        length_ = entry.length;
        planned_ = complete_ = 0;
        break;
      case Tag::part:
        if (!assembling_ && alone) return "a part of no message";
        if (alone && (entry.size == 0 || entry.size > length_ - planned_)) return "a part longer than what was missing";
        if (!entry.done) return std::nullopt;
        complete_ += entry.size;
        if (complete_ == length_) {
          assembling_ = false;
          arrived.push_back({from, std::exchange(partial_, detail::Bytes())});
        }
        break;
      default:
        return "a message of an unknown kind";
    }
    entries_.pop_front();
    --started_;
  }
  return std::nullopt;
}

}  // namespace rankpool::transport
