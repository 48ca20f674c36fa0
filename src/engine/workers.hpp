#pragma once

#include "base/ids.hpp"
#include "base/paged_table.hpp"
#include "engine/pool_state.hpp"
#include "engine/rank_port.hpp"
#include "wire/frame_reader.hpp"

#include <sys/types.h>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace rankpool::engine {

/// A rank as the dispatcher reaches it.
struct RankEntry {
  RankPort* port = nullptr;  ///< null once it is lost
  RankFacts facts;
  bool written = false;  ///< waits for `Workers::flush`
};

/// A worker process as the dispatcher knows it.
struct Worker {
  Rank rank{};
  RankEntry* at = nullptr;  ///< entries stay where they are
  std::shared_ptr<PoolState> pool;
  pid_t pid = 0;
  watch::Tally::Worker* tally = nullptr;  ///< in the pool's
  bool ready = false;
  bool given_up = false;  ///< killed: what it still says is ignored
  wire::FrameReader reader;
  wire::FrameReader side_reader;
};

/// How the workers of a pool with that context come to be.
base::WorkerOrigin origin_of(MpContext context) noexcept;

/// What a worker is told of itself first: number, rank and host, and behind them the initializer.
detail::Bytes init_payload(WorkerId id, const Worker& worker);

/// The ranks, their workers, and the way to each of them. Engine thread.
class Workers {
 public:
  /// The port must outlive this.
  void set_port(Rank rank, RankPort* port) {
    ranks_[rank].port = port;
    ranks_[rank].facts.rank = rank;
  }
  [[nodiscard]] RankEntry& rank(Rank rank) { return ranks_[rank]; }

  Worker& add(WorkerId id, RankEntry& at, std::shared_ptr<PoolState> pool);
  void erase(WorkerId id) { workers_.erase(raw(id)); }
  /// The worker, or null if it has ended.
  [[nodiscard]] Worker* find(WorkerId id) noexcept {
    auto* const slot = workers_.find(raw(id));
    return slot == nullptr ? nullptr : slot->get();
  }
  [[nodiscard]] std::vector<WorkerId> on(Rank rank);
  [[nodiscard]] std::size_t size() const noexcept { return workers_.size(); }
  /// As schedule::Scheduler::prefetch.
  void prefetch(std::span<const WorkerId> workers) noexcept;

  /// The way to a rank, to be written to, or null; `flush` follows. With thousands of ranks it cannot ask each.
  [[nodiscard]] RankPort* port_to(RankEntry& rank);
  /// The way to the worker, or null if it has ended.
  [[nodiscard]] RankPort* port_to(WorkerId id) {
    Worker* const worker = find(id);
    return worker == nullptr ? nullptr : port_to(*worker->at);
  }
  /// Where the worker may hold locks by itself, or null.
  [[nodiscard]] std::shared_ptr<channel::Leases> leases(WorkerId id) {
    Worker* const worker = find(id);
    if (worker == nullptr || worker->given_up || worker->at->port == nullptr) return nullptr;
    return worker->at->port->leases(id);
  }
  template <class Visit>
  void for_each_rank(Visit&& visit) const {
    for (const auto& [rank, entry] : ranks_) visit(entry);
  }
  template <class Visit>
  void for_each(Visit&& visit) {
    workers_.for_each([&](std::uint64_t id, const std::unique_ptr<Worker>& worker) {
      visit(WorkerId{static_cast<std::uint32_t>(id)}, *worker);
    });
  }
  template <class Visit>
  void for_each_port(Visit&& visit) {
    for (auto& [rank, entry] : ranks_) {
      if (RankPort* const port = port_to(entry)) visit(*port);
    }
  }
  /// It sent what makes no sense, so its memory is not to be trusted: it ends like any other worker that dies.
  void give_up(WorkerId id, Worker& worker);
  /// Sends off what was written since the last call.
  void flush();

 private:
  std::map<Rank, RankEntry> ranks_;
  std::vector<RankEntry*> written_;
  base::PagedTable<std::unique_ptr<Worker>> workers_;
};

}  // namespace rankpool::engine
