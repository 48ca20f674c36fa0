#pragma once

#include "base/ids.hpp"
#include "base/inheritance.hpp"
#include "base/own_descriptor.hpp"
#include "base/worker_origin.hpp"
#include "channel/channel.hpp"
#include "keeper/folders.hpp"

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

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
  bool lost_ = false;
};

/// What a keeper is to do besides keeping workers.
struct KeeperDuties {
  base::Stock stock;  ///< what the program had: workers get their share of it
  pid_t rank = 0;     ///< the MPI process; its parent if `rank_is_parent`
  bool rank_is_parent = false;
  /// Runs the worker; never returns. Called in the worker's process.
  std::function<void(channel::Channel, channel::RankPage*, int wake)> worker_main;
  /// Called once when the rank has ended (only if it is a child).
  std::function<void(int wait_status)> rank_ended;
  /// A descriptor that the rank wants held until the keeper ends.
  std::function<void(int fd, std::int32_t what)> hold;
  /// Where signals for the rank may come from besides, or -1; and how they are read, once it is readable. `ended`: no
  /// more.
  int signal_line = -1;
  std::function<std::optional<int>(bool& ended)> take_signal;
};

/// The parent of a rank's worker processes: a single-threaded loop. Runs in a process of its own. Needs few
/// descriptors: its line to the rank, the wakeup of the workers, the page that all share, and one for each start of a
/// worker while that lasts.
class Keeper {
 public:
  /// `wake`: the end of a pipe to write to; `page_memory`: what `page` is mapped from.
  Keeper(int control, int wake, channel::RankPage* page, int page_memory)
      : control_(control), own_{wake, page, page_memory} {}
  /// Works until the rank is gone; then no worker is left. Returns the rank's wait status if it was a child.
  int run(KeeperDuties duties);

 private:
  /// What a worker and the process that has its channel wake each other by.
  struct Host {
    int wake = -1;
    channel::RankPage* page = nullptr;
    int page_memory = -1;
  };

  void pass_on_signals();
  /// What has come from the rank. False once it has let go of us.
  bool take_messages();
  void spawn(std::uint32_t worker, int fd, std::int32_t how);
  [[noreturn]] void become_worker(int channel, base::WorkerOrigin origin, const Host& host);
  /// From now on there is another host for the workers that are started for one; takes the descriptor.
  void take_other_page(int fd);
  void take_other_wake(int fd);
  void signal_worker(std::uint32_t worker, int signal);
  /// Kills those that were asked to end and have not; returns how long until the next is due, in milliseconds, or -1.
  int kill_overdue();
  void reap();
  void report(const KeeperMessage& message);
  void send_reports();
  /// Ends the processes of a session whose leader, a worker, has ended: those in other process groups, too.
  void end_session(pid_t session);
  void end_all_children();

  int control_;
  Host own_;
  Host other_;
  KeeperDuties duties_;
  std::unordered_map<std::uint32_t, pid_t> pids_;
  std::unordered_map<pid_t, std::uint32_t> workers_;
  std::unordered_map<pid_t, Folders> folders_;  ///< of workers that have such
  std::unordered_map<std::uint32_t, std::chrono::steady_clock::time_point> asked_to_end_;
  std::deque<KeeperMessage> unsent_;  ///< reports for which the socket had no room
  std::optional<int> rank_status_;
};

/// Both ends, made before the fork that parts them. Each process then keeps one and drops the other.
struct KeeperPair {
  std::unique_ptr<KeeperConnection> link;
  std::unique_ptr<Keeper> keeper;
  int link_end = -1;
  int keeper_end = -1;
  int wakeup_end = -1;  ///< of the workers
  void keep_link();
  void keep_keeper();
};
KeeperPair make_keeper_pair();

}  // namespace rankpool::keeper
