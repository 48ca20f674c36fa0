#pragma once

#include "base/ids.hpp"

#include <sys/types.h>
#include <cstdint>
#include <functional>
#include <memory>

/// The wake-up channel between rank 0 and the ranks on its own node: a page of shared memory in which each says that it
/// sleeps, and a pipe into each. To say so costs nothing, to ring one system call, and only sleepers are rung. Whoever
/// cannot have it (another node, another container) is told of messages by its lifeline.
///
/// Who sends a message counts it in the page and then looks whether the other sleeps; who wants to sleep says so and
/// then looks at the count. So one of them sees the other, and no message is slept through. The count spares both from
/// asking MPI while nothing is under way.
namespace rankpool::liveness {

/// Where rank 0's page is found, as others have to be told. Without a descriptor there is none.
struct WakePlace {
  std::int64_t pid = 0;
  std::int32_t fd = -1;
  std::uint64_t number = 0;     ///< in the page's name, so that nothing else is taken for it
  std::uint64_t pid_space = 0;  ///< the name space in which `pid` means something
  bool operator==(const WakePlace&) const = default;
};

/// Rank 0's end. One thread. Nothing blocks and nothing throws: where something cannot be had there is no wakeup.
class WakeChannels {
 public:
  explicit WakeChannels(int ranks);
  ~WakeChannels();
  [[nodiscard]] WakePlace place() const noexcept;

  /// The rank, a process of this node, has taken the page up and can be rung by this pipe of its own; so many messages
  /// were sent to it before. False if it cannot.
  bool connect(Rank rank, pid_t pid, int fd, std::uint64_t sent);
  [[nodiscard]] bool connected(Rank rank) const noexcept;
  void disconnect(Rank rank) noexcept;

  /// `messages` is how many have been sent to the rank so far. Rings if it sleeps.
  void sent(Rank rank, std::uint64_t messages) noexcept;
  /// True if a connected rank has sent a message that is not among the `received(rank)`. Costs little if there is
  /// nothing new.
  [[nodiscard]] bool under_way(const std::function<std::uint64_t(Rank)>& received);
  /// From now on a message of a connected rank makes `fd()` readable. False if one has been sent already that is not
  /// among the `received(rank)`.
  [[nodiscard]] bool prepare_sleep(const std::function<std::uint64_t(Rank)>& received) noexcept;
  /// `rung`: `fd()` was readable.
  void awake(bool rung = true) noexcept;
  [[nodiscard]] int fd() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// The end of another rank. One thread. Nothing blocks and nothing throws.
class WakeChannel {
 public:
  /// Not connected, and never will be, if the page cannot be had.
  WakeChannel(Rank self, const WakePlace& place);
  ~WakeChannel();
  /// The pipe to be rung by, as rank 0 has to be told; -1 if there is no wakeup.
  [[nodiscard]] int pipe() const noexcept;
  /// Rank 0 rings this one from now on.
  [[nodiscard]] bool connected() const noexcept;

  void sent(std::uint64_t messages) noexcept;
  [[nodiscard]] bool under_way(std::uint64_t received) const noexcept;
  [[nodiscard]] bool prepare_sleep(std::uint64_t received) noexcept;
  void awake(bool rung = true) noexcept;
  [[nodiscard]] int fd() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rankpool::liveness
