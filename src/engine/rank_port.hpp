#pragma once

#include "base/ids.hpp"
#include "base/worker_origin.hpp"
#include "channel/blob.hpp"
#include "channel/lease.hpp"
#include "host/worker_host.hpp"

#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/errors.hpp>

#include <sys/types.h>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace rankpool::engine {

/// What a rank turned out to be.
struct RankFacts {
  Rank rank{};
  std::string host;
  pid_t pid = 0;
  pid_t keeper_pid = 0;
  int workers = 1;
  int cores_of_node = 1;             ///< for the workers of all ranks there
  std::uint64_t memory_of_node = 0;  ///< bytes for all of them; 0: not known
};

/// How a rank was lost.
struct RankEnd {
  std::string text;                ///< "connection closed", if there is no more to tell
  std::optional<int> wait_status;  ///< as waitpid gave it to the rank's keeper
};

/// What ranks and their workers have to tell the engine. Engine thread.
class RankListener : public host::HostListener {
 public:
  virtual void rank_joined(const RankFacts& facts) = 0;
  /// Output of these workers comes next, in this order: time to fetch what is known of them into the caches.
  virtual void expect_output(std::span<const WorkerId> /*workers*/) noexcept {}
  virtual void rank_lost(Rank rank, const RankEnd& end) = 0;

 protected:
  ~RankListener() = default;
};

/// The engine's way to the workers of one rank: its own (LocalPort) or another's (RemoteRanks::Port). Engine thread;
/// nothing blocks.
class RankPort {
 public:
  virtual ~RankPort() = default;
  /// True if what is written to the worker goes straight into its memory: any thread that has the engine's part may
  /// write then.
  [[nodiscard]] virtual bool is_direct(WorkerId worker) const = 0;
  virtual void start(WorkerId worker, base::WorkerOrigin origin) = 0;
  /// Appends `header` and then `body` to the worker's input. `keep_alive` owns the bytes of `body`.
  virtual void write(WorkerId worker, std::span<const std::byte> header, const detail::Gather& body,
                     const detail::Ref<detail::ResultReceiver>& keep_alive) = 0;
  /// Appends to the worker's side stream.
  virtual void write_side(WorkerId worker, std::span<const std::byte> bytes) = 0;
  /// Answers the worker's request with where it finds the broadcast; to another rank it is sent first, once.
  virtual void give_blob(WorkerId worker, std::uint64_t request, std::uint64_t id,
                         std::shared_ptr<const channel::Blob> blob) = 0;
  /// Where the worker may hold locks by itself; null if its channel is not in this process.
  [[nodiscard]] virtual std::shared_ptr<channel::Leases> leases(WorkerId worker) = 0;
  /// Nobody needs the broadcast any more.
  virtual void forget_blob(std::uint64_t id) = 0;
  virtual void kill(WorkerId worker, int signal) = 0;
  /// Sends off what was written since the last call.
  virtual void flush() = 0;
};

}  // namespace rankpool::engine
