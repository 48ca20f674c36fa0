#pragma once

#include "base/inheritance.hpp"
#include "base/worker_origin.hpp"
#include "channel/channel.hpp"
#include "keeper/folders.hpp"
#include "keeper/keeper_line.hpp"

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

/// What a keeper is to do besides keeping workers.
struct KeeperDuties {
  base::Stock stock;  ///< what the program had: workers get their share of it
  pid_t rank = 0;     ///< the MPI process; its parent if `rank_is_parent`
  bool rank_is_parent = false;
  /// The process that the launcher has on this node (pidfd), or -1: when it ends, the rank is killed.
  int launcher = -1;
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
/// descriptors: its line to the rank, the wakeup of the workers, the page that all share, the launcher, and one for
/// each start of a worker while that lasts.
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
