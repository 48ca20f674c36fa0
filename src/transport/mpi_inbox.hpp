#pragma once

#include "transport/transport.hpp"

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of old are not ours to warn about
#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace rankpool::transport {

/// What an MPI message is: all of a message, the length of one that follows in parts, or such a part.
enum class Tag : int { whole = 1, begin = 2, part = 3 };

/// What has been matched from one peer, in the order in which it was sent, until it is complete and handed out. It says
/// what can be received next, and where to; the receiving itself is its owner's.
///
/// Memory grows with what has arrived, and never by what a peer claims.
class Inbox {
 public:
  struct Entry {
    Tag tag{};
    MPI_Message message = MPI_MESSAGE_NULL;
    std::size_t size = 0;
    detail::Bytes bytes;       ///< of a whole
    std::uint64_t length = 0;  ///< of a begin
    bool done = false;
  };
  /// A receive to start now.
  struct Start {
    Entry* entry = nullptr;  ///< stays where it is until it is handed out
    std::byte* data = nullptr;
  };

  void matched(Tag tag, MPI_Message message, std::size_t size);
  /// A whole that is being received already.
  Entry& taken(detail::Bytes bytes);
  [[nodiscard]] std::optional<Start> next_to_start();
  /// Appends the messages that are complete. What makes no sense ends the conversation: its text is returned.
  [[nodiscard]] std::optional<std::string> hand_out(Rank from, std::vector<Incoming>& arrived);

  [[nodiscard]] bool empty() const noexcept { return entries_.empty() && !assembling_; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// MPI messages that are complete, since the start.
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  void count_received() noexcept { ++received_; }

 private:
  std::deque<Entry> entries_;
  std::size_t started_ = 0;  ///< so many of the entries are being received, or have been
  std::uint64_t received_ = 0;

  // The message that arrives in parts.
  bool assembling_ = false;
  detail::Bytes partial_;
  std::uint64_t length_ = 0;
  std::uint64_t planned_ = 0;   ///< so much of it has its place
  std::uint64_t complete_ = 0;  ///< so much of it has arrived
};

}  // namespace rankpool::transport
