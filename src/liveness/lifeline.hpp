#pragma once

#include "base/ids.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Lifelines: one TCP connection from each rank to rank 0. Its end tells of a death, whatever the fabric; keep-alive
/// and TCP_USER_TIMEOUT tell of a silent node. It wakes sleepers too, which MPI cannot.
///
/// How. A side that is about to sleep sends *asleep(n)*, n being the messages it has received from its peer
/// so far. The peer answers with *ring* at once if it has sent more than n, and otherwise rings before (or right after)
/// it next posts a message. So no message is slept through.
namespace rankpool::liveness {

using Token = std::array<std::byte, 32>;

/// Where rank 0 listens, and the secret that a connection must bring. Sent to each rank over MPI.
struct Invitation {
  std::vector<std::string> addresses;  ///< numeric, IPv4 or IPv6, in the order to try
  std::uint16_t port = 0;
  Token token{};
};

struct LifelineOptions {
  std::chrono::milliseconds lost_after{10'000};  ///< silence until a node counts as lost
  std::string interface;                         ///< name of a network interface, or an address; empty, or no such: any
};

/// What a lifeline tells.
struct LifelineEvent {
  enum class Kind : std::uint8_t {
    joined,    ///< rank 0: the rank has connected
    lost,      ///< the rank is gone: `wait_status` if its keeper could say, else `text` ("connection closed", ...)
    asleep,    ///< the peer is about to sleep, having received `received` messages
    ring,      ///< the peer has something: wake up (nothing more to do)
    stranger,  ///< rank 0: a connection was refused; `text` says from where and why. For the log
  };
  Kind kind{};
  Rank rank{};
  std::uint64_t received = 0;
  std::string text;
  std::optional<int> wait_status = {};  ///< as waitpid gave it
};

/// Rank 0's end of all lifelines. One thread. Nothing blocks.
class LifelineServer {
 public:
  /// Listens for so many ranks but `own`. Throws std::system_error.
  LifelineServer(int ranks, LifelineOptions options, Rank own = Rank{0});
  ~LifelineServer();
  [[nodiscard]] const Invitation& invitation() const;
  /// To wait on: readable when `poll` has something to do.
  [[nodiscard]] int fd() const;
  /// Appends what has happened. True if anything had.
  bool poll(std::vector<LifelineEvent>& to);
  void ring(Rank rank);
  void asleep(Rank rank, std::uint64_t received);
  /// Ends a rank's lifeline from this side (it was declared lost: should it come back, its end of the line is closed).
  void drop(Rank rank);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Another rank's end. One thread. Nothing blocks but the constructor, which connects within a time limit.
class Lifeline {
 public:
  Lifeline(Rank self, const Invitation& invitation, LifelineOptions options);
  ~Lifeline();
  [[nodiscard]] int fd() const;
  bool poll(std::vector<LifelineEvent>& to);
  void ring();
  void asleep(std::uint64_t received);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// What a rank's keeper says on the rank's lifeline, of which it holds a duplicate, when the rank has died.
void send_exit_notice(int fd, int wait_status) noexcept;

}  // namespace rankpool::liveness
