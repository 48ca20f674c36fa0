#include "engine/workers.hpp"

#include "base/log.hpp"
#include "wire/identity.hpp"

#include <csignal>
#include <string>
#include <utility>

namespace rankpool::engine {

base::WorkerOrigin origin_of(MpContext context) noexcept {
  // A rank that is its own worker does not look at it (launch/rank_as_worker.hpp).
  return context == MpContext::spawn ? base::WorkerOrigin::spawned : base::WorkerOrigin::forked;
}

detail::Bytes init_payload(WorkerId id, const Worker& worker) {
  const PoolState& pool = *worker.pool;
  return encode(wire::Init{
      {raw(id), raw(worker.rank), static_cast<std::uint32_t>(pool.threads_per_worker), worker.at->facts.host},
      pool.initializer.view()});
}

Worker& Workers::add(WorkerId id, RankEntry& at, std::shared_ptr<PoolState> pool) {
  auto worker = std::make_unique<Worker>();
  worker->rank = at.facts.rank;
  worker->at = &at;
  worker->pool = std::move(pool);
  return *workers_.insert(raw(id), std::move(worker));
}

std::vector<WorkerId> Workers::on(Rank rank) {
  std::vector<WorkerId> found;
  workers_.for_each([&](std::uint64_t id, const std::unique_ptr<Worker>& worker) {
    if (worker->rank == rank) found.push_back(WorkerId{static_cast<std::uint32_t>(id)});
  });
  return found;
}

void Workers::prefetch(std::span<const WorkerId> workers) noexcept {
  for (const WorkerId id : workers) workers_.prefetch(raw(id));
  for (const WorkerId id : workers) base::prefetch(find(id));
  const auto each = [&](auto&& fetch) {
    for (const WorkerId id : workers) {
      const Worker* const worker = find(id);
      if (worker != nullptr && worker->tally != nullptr) fetch(*worker->tally, *worker->at);
    }
  };
  each([](const watch::Tally::Worker& tally, const RankEntry& at) {
    base::prefetch(&tally);
    base::prefetch(&at);
  });
  each([](const watch::Tally::Worker& tally, const RankEntry&) {
    if (!tally.tasks.empty()) base::prefetch(&tally.tasks.back());
  });
  each([](const watch::Tally::Worker& tally, const RankEntry&) {
    if (!tally.tasks.empty()) base::prefetch(tally.tasks.back().second.data(), 1);
  });
}

RankPort* Workers::port_to(RankEntry& rank) {
  if (rank.port != nullptr && !std::exchange(rank.written, true)) written_.push_back(&rank);
  return rank.port;
}

void Workers::give_up(WorkerId id, Worker& worker) {
  base::log_error("worker " + std::to_string(raw(id)) + " sent what makes no sense; it is killed");
  worker.given_up = true;
  if (RankPort* const port = port_to(*worker.at)) port->kill(id, SIGKILL);
}

void Workers::flush() {
  for (RankEntry* const entry : written_) {
    entry->written = false;
    if (entry->port != nullptr) entry->port->flush();
  }
  written_.clear();
}

}  // namespace rankpool::engine
