#pragma once

#include "base/own_descriptor.hpp"
#include "channel/channel.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace rankpool::keeper {

/// What passes between a rank and its keeper: one record a packet.
struct KeeperMessage {
  enum class Kind : std::uint32_t { spawn, kill, hold, spawned, spawn_failed, ended, other_page, other_wake };
  /// In the number of a `spawn`, besides the origin.
  static constexpr std::int32_t kForOtherHost = 0x100;
  Kind kind{};
  std::uint32_t worker = 0;
  std::int32_t number = 0;  ///< spawn: a WorkerOrigin, and what was said above; kill: signal; hold: what it is;
                            ///< spawned, ended: pid;
                            ///< spawn_failed: errno
  std::int32_t status = 0;  ///< ended: as waitpid gives it
};

/// False with EAGAIN in errno if there is no room and `flags` forbid to wait for it. A descriptor goes along unless it
/// is negative.
bool send_message(int socket, const KeeperMessage& message, int fd, int flags = 0);

enum class Received : std::uint8_t { message, nothing, end };
/// Never waits. The caller owns the descriptor that came along; -1 if none did.
Received receive_message(int socket, KeeperMessage& message, int& fd);

/// The rank's end of the line to who starts and ends its workers, and what it shares with these. One thread.
class KeeperConnection {
 public:
  explicit KeeperConnection(channel::RankPage* page) : page_(page) {}
  KeeperConnection(const KeeperConnection&) = delete;
  KeeperConnection& operator=(const KeeperConnection&) = delete;
  virtual ~KeeperConnection() = default;

  /// False if nobody takes it.
  virtual bool send(const KeeperMessage& message, int fd = -1) = 0;
  /// The next message, if there is one. `lost()` tells when there will be none any more.
  virtual std::optional<KeeperMessage> receive() = 0;
  [[nodiscard]] virtual bool lost() const noexcept = 0;
  /// Readable when there is a message, or none will come any more; -1 if no sleeper needs to be told.
  [[nodiscard]] virtual int control() const noexcept = 0;
  /// The end of a pipe that workers write to; -1 if they do not.
  [[nodiscard]] virtual int wake() const noexcept = 0;
  /// Takes what the workers have written there.
  virtual void take_rings() noexcept = 0;
  /// By which other ranks of the node open the page; -1 if they cannot, or after `keep_page_to_itself`.
  [[nodiscard]] virtual int page_memory() const noexcept { return -1; }
  virtual void keep_page_to_itself() noexcept {}
  [[nodiscard]] channel::RankPage& page() noexcept { return *page_; }

 private:
  channel::RankPage* page_;
};

/// The line to a keeper process.
///
/// Its descriptors are used only while they are what they were: who closes everything from 3 up in `main` loses the
/// line, and no byte goes into a file of the program.
class KeeperSocket final : public KeeperConnection {
 public:
  /// `wake` is the end of a pipe that the workers write to; `page_memory` is what `page` is mapped from.
  KeeperSocket(int control, int wake, channel::RankPage* page, int page_memory)
      : KeeperConnection(page),
        control_(control),
        wake_(wake),
        page_memory_(page_memory),
        control_identity_(control),
        wake_identity_(wake),
        page_memory_identity_(page_memory) {}
  KeeperSocket(const KeeperSocket&) = delete;
  KeeperSocket& operator=(const KeeperSocket&) = delete;
  ~KeeperSocket() override;

  bool send(const KeeperMessage& message, int fd = -1) override;
  std::optional<KeeperMessage> receive() override;
  [[nodiscard]] bool lost() const noexcept override { return lost_; }
  [[nodiscard]] int control() const noexcept override { return control_; }
  [[nodiscard]] int wake() const noexcept override { return wake_; }
  void take_rings() noexcept override;
  [[nodiscard]] int page_memory() const noexcept override { return page_memory_; }
  void keep_page_to_itself() noexcept override;

 private:
  int control_;
  int wake_;
  int page_memory_;
  base::DescriptorIdentity control_identity_;
  base::DescriptorIdentity wake_identity_;
  base::DescriptorIdentity page_memory_identity_;
  std::atomic<bool> lost_{false};
};

}  // namespace rankpool::keeper
