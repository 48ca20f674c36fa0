#pragma once

#include "base/ids.hpp"
#include "base/worker_origin.hpp"
#include "channel/blob.hpp"
#include "channel/channel.hpp"
#include "wire/shared.hpp"

#include <rankpool/detail/bytes.hpp>
#include <rankpool/detail/result_receiver.hpp>

#include <sys/types.h>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rankpool::keeper {
class KeeperConnection;
}  // namespace rankpool::keeper

namespace rankpool::host {

/// How a worker process ended.
struct WorkerEnd {
  pid_t pid = 0;
  int wait_status = 0;       ///< as waitpid gives it
  bool inside_item = false;  ///< it was running an item
};

/// What a WorkerHost has to tell. Called inside `WorkerHost::poll`, on the thread that calls it.
class HostListener {
 public:
  virtual void worker_started(WorkerId worker, pid_t pid) = 0;
  virtual void worker_failed_to_start(WorkerId worker, const std::string& why) = 0;
  /// Bytes of the worker's stream of frames, in order, cut anywhere; valid during the call.
  virtual void worker_output(WorkerId worker, std::span<const std::byte> bytes) = 0;
  /// Bytes of the worker's side stream, likewise.
  virtual void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) = 0;
  /// Comes once, after all output: what the worker had finished when it died is part of that output.
  virtual void worker_ended(WorkerId worker, const WorkerEnd& end) = 0;
  /// The keeper of this rank is gone, and with it all its workers.
  virtual void keeper_lost() = 0;

 protected:
  ~HostListener() = default;
};

/// Where other ranks of the node find what the workers of theirs share with this host: descriptors of this process.
struct HostPlace {
  std::int32_t page = -1;
  std::int32_t wake = -1;
};

/// The worker processes of one rank, seen from its MPI process (rank 0's engine, rank k's agent): starts them through
/// the keeper, carries bytes to and from them through shared memory, tells how they ended.
///
/// Rank 0's host also has the channels of the workers of its node's other ranks, its neighbours: bytes go straight
/// between it and them. Their rank starts them, watches them and tells of their ends:
///
///     rank 0's host                            neighbour's host
///     open_for_neighbour ── number of the channel's descriptor ──► start_for_root ──► its keeper
///     neighbour_started, neighbour_ended ◄──────────────────────── worker_started, worker_ended
///     neighbour_lost ◄── the rank itself has died, and its keeper ends the workers
///
/// Nothing here blocks. One thread uses it at a time.
class WorkerHost {
 public:
  explicit WorkerHost(std::unique_ptr<keeper::KeeperConnection> keeper);
  ~WorkerHost();

  /// Asks the keeper for a new worker process. `worker_started` or `worker_failed_to_start` follows.
  void start(WorkerId worker, base::WorkerOrigin origin = base::WorkerOrigin::forked);
  /// Appends bytes to the worker's input stream. What does not fit the channel at once is copied and sent on in `poll`.
  /// `bytes` need not outlive the call. Ignored if the worker is gone.
  void write(WorkerId worker, std::span<const std::byte> bytes);
  /// The same for bytes that the caller keeps alive through `keep_alive` until they are through: large payloads are not
  /// copied.
  void write(WorkerId worker, std::span<const std::byte> bytes, std::shared_ptr<const void> keep_alive);
  /// Appends bytes to the worker's side stream and shows them at once.
  void write_side(WorkerId worker, std::span<const std::byte> bytes);
  /// The locks that it has on lease, in its channel; null if the worker is gone.
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId worker);
  /// Makes what was written since the last call visible and wakes the worker if it sleeps. One wake-up for many writes.
  void flush(WorkerId worker) { show(worker).ring(); }
  /// The same, but leaves the wake-up to the caller.
  [[nodiscard]] channel::FutexWake show(WorkerId worker);
  /// Sends a signal to the worker and all processes it started.
  void kill(WorkerId worker, int signal);
  /// Lets all workers see that the program is asked to stop.
  void tell_to_stop() noexcept;

  // -- rank 0's: workers of its neighbours. `write`, `show` and the rest are as for its own.
  [[nodiscard]] HostPlace place() const noexcept;
  /// So many ranks of this node leave the channels of their workers to us.
  void set_neighbours(int ranks);
  /// Makes the channel of a neighbour's worker. The number under which this process has it open until the worker has
  /// started or is gone; nothing if it cannot be had, or so many descriptors are open for it that others may lack them.
  [[nodiscard]] std::optional<int> open_for_neighbour(WorkerId worker);
  void neighbour_started(WorkerId worker);
  /// It has ended, or never started: gives out what it had finished, and tells of its end.
  void neighbour_ended(WorkerId worker, pid_t pid, int wait_status, HostListener& listener);
  /// Its rank is lost, and with it the worker: gives out what it had finished.
  void neighbour_lost(WorkerId worker, HostListener& listener);
  /// What it was still to be sent may be freed.
  void forget_input(WorkerId worker);
  /// Neighbours' workers that have turned out to be rogue since the last call: their ranks are to kill them.
  [[nodiscard]] std::vector<WorkerId> take_rogue_neighbours();
  [[nodiscard]] bool has_rogue_neighbours() const noexcept;

  // -- a neighbour's: workers whose channels rank 0 has
  /// Where its page and its wake-up are; copies the descriptors. False if the keeper is gone.
  bool set_root(int page, int wake);
  /// As `start`, with the channel that rank 0 has made; takes the descriptor. Start and end are told as ever, but not
  /// whether the worker was inside an item.
  void start_for_root(WorkerId worker, int channel, base::WorkerOrigin origin);

  /// Kills what is left of the workers and waits until they are gone, for two seconds at most: who uses this next finds
  /// none. May block.
  void end_all();

  /// Looks once at all channels and at the keeper; calls `listener` for what there is. True if there was anything.
  /// `max_output` bounds the bytes given out in one call (back-pressure).
  bool poll(HostListener& listener, std::size_t max_output = static_cast<std::size_t>(-1));
  /// Results that a worker has finished but not shown, since it went on to an item that turns out to be a long one:
  /// gives them out. Looks only when it is time to, seldom if there has been nothing for long. True if there was
  /// anything.
  bool collect_unpublished(HostListener& listener, std::chrono::steady_clock::time_point now);
  /// When to look again at the latest though nobody rings, to be asked after `prepare_sleep`; nothing if no worker is
  /// at a chunk of several items (one that begins such a chunk wakes us) or may leave it to us to look.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_look() const;
  /// True if bytes wait for room in some channel: poll again soon.
  [[nodiscard]] bool has_backlog() const;

  /// Bytes written to the worker that wait for room.
  [[nodiscard]] std::size_t waiting(WorkerId worker) const;

  /// Before sleeping: from now on workers make `wake_fd()` readable when they have something, and the keeper
  /// `keeper_fd()`; or workers end `sleep_on_futex`. Returns false if there is something already: poll first.
  bool prepare_sleep(channel::HostSleeps how = channel::HostSleeps::in_poll);
  /// Before `prepare_sleep(on_futex)`: to be given to `sleep_on_futex`, so that no wake-up in between is lost.
  [[nodiscard]] std::uint32_t wakeups() const noexcept;
  void sleep_on_futex(std::uint32_t seen, std::optional<std::chrono::steady_clock::time_point> until) noexcept;
  /// Any thread.
  void end_sleep_on_futex() noexcept;
  /// `wake_fd()` was readable, and somebody has seen what there is since. Any thread.
  void take_rings() noexcept;
  /// Has to follow. `rung`: `wake_fd()` was readable; `by_keeper`: `keeper_fd()` was.
  void awake(bool rung = true, bool by_keeper = true);
  [[nodiscard]] int wake_fd() const;
  /// The keeper's socket, to sleep on too.
  [[nodiscard]] int keeper_fd() const;

  [[nodiscard]] int alive() const;
  /// More processes than cores: nobody is to spin.
  [[nodiscard]] bool oversubscribed() const;
  /// Not every core has a worker that is at work.
  [[nodiscard]] bool core_to_spare() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Answers a worker's request with where it finds the broadcast, or with why it cannot.
void answer_with_place_of(WorkerHost& host, WorkerId worker, std::uint64_t request, const channel::Blob& blob);

}  // namespace rankpool::host
