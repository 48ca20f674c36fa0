#pragma once

#include "liveness/lifeline.hpp"

#include <sys/socket.h>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace rankpool::liveness {

/// What a rank says first on its lifeline.
struct Handshake {
  std::uint32_t magic = 0x4c4c5052;
  std::uint32_t version = 1;
  Token token{};
  std::int32_t rank = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Handshake) == 48);

/// Everything that follows, in both directions.
struct LifelineMessage {
  enum class Kind : std::uint64_t { asleep = 1, ring = 2, exit_notice = 3 };
  Kind kind{};
  std::uint64_t number = 0;  ///< asleep: messages received; exit notice: wait status
};
static_assert(sizeof(LifelineMessage) == 16);

/// A numeric address, IPv4 or IPv6.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  static bool parse(const std::string& text, std::uint16_t port, Address& to);
};

/// Addresses at which this node can be reached, likely ones first; those of the interface, or the address, that `only`
/// names, if there is such a one.
std::vector<std::string> own_addresses(const std::string& only);
/// What is wrong with RANKPOOL_INTERFACE: nothing, or that this node has no interface or address of that name. The text
/// lists those it has.
std::string interface_complaint(const std::string& name);
/// Makes the kernel tell of a peer that is silent for so long. Descriptor options never fail a connection.
void watch_for_silence(int fd, std::chrono::milliseconds lost_after);
/// Compares without telling by its duration where they differ.
bool same_token(const Token& a, const Token& b) noexcept;
Token random_token();
/// Raises the soft limit of open files so far that `wanted` fit, as far as the hard one allows.
void make_room_for_descriptors(std::size_t wanted);

/// Cuts a stream of bytes into messages.
class LifelineReader {
 public:
  /// Appends those that are complete; false if one is none.
  bool feed(const std::byte* bytes, std::size_t size, std::vector<LifelineMessage>& to);

 private:
  std::byte buffer_[sizeof(LifelineMessage)];
  std::size_t filled_ = 0;
};

}  // namespace rankpool::liveness
