#pragma once

#include "transport/mpi_inbox.hpp"

#include <rankpool/detail/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace rankpool::transport {

/// A message longer than this travels in pieces of this size: counts fit an int, and memory grows with what has
/// arrived. From 1 MiB on the size makes no difference to the speed.
inline constexpr std::size_t kPiece = std::size_t{4} << 20U;

/// What is on its way to one peer, in order. It says what can be posted next; the posting itself is its owner's.
class Outbox {
 public:
  /// A message on its way out. MPI reads from it: it stays where it is until its last flight has landed.
  struct Message {
    detail::Bytes bytes;
    std::uint64_t length = 0;  ///< what `begin` says
    std::size_t next = 0;      ///< where its next piece begins
    unsigned flights = 0;
    bool begun = false;
    bool posted = false;  ///< to its end
  };
  /// A send to start now.
  struct Start {
    Message* message = nullptr;
    Tag tag{};
    const void* data = nullptr;
    std::size_t count = 0;
    std::size_t size = 0;  ///< bytes of the message among these
  };

  /// Counts the MPI messages that it will be. Before they are posted: a peer that falls asleep in between is rung for
  /// them.
  void count(std::size_t size) noexcept { sent_ += size <= kPiece ? 1 : 1 + (size + kPiece - 1) / kPiece; }
  /// Nothing stands before a message that is posted now.
  [[nodiscard]] bool free() const noexcept { return posted_ == messages_.size() && flights_ < kMaxFlights; }
  void push(detail::Bytes message);
  /// A whole that has been posted already.
  Message& posted(detail::Bytes message);

  [[nodiscard]] std::optional<Start> next_to_start();
  void started(const Start& start);
  /// One of its flights.
  void landed(Message& message, std::size_t size);

  [[nodiscard]] unsigned flights() const noexcept { return flights_; }
  /// Bytes in flight or not yet posted.
  [[nodiscard]] std::size_t unsent() const noexcept { return unsent_; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  /// What MPI may still read though nobody waits for it.
  [[nodiscard]] std::deque<Message> abandon();

 private:
  /// Sends that are under way at a time, in number and in bytes: enough to hide the latency, few enough for a receiver
  /// that needs memory for each.
  static constexpr unsigned kMaxFlights = 32;
  static constexpr std::size_t kMaxBytes = 4 * kPiece;

  std::deque<Message> messages_;
  std::size_t posted_ = 0;  ///< so many of them are posted to their end
  unsigned flights_ = 0;
  std::size_t bytes_ = 0;  ///< in flight
  std::size_t unsent_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace rankpool::transport
