#include "schedule/ready_workers.hpp"

#include <bit>

namespace rankpool::schedule {
namespace {

constexpr std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << (i % 64); }

}  // namespace

void ReadyWorkers::place(Worker& worker) {
  withhold(worker);
  count_busy(worker, !worker.chunks.empty());
  worker.level = static_cast<std::uint8_t>(worker.chunks.size());
  if (worker.level == 0) {
    RankShare& share = share_of(worker);
    const bool first = share.idle.empty();
    share.idle.push_front(worker);
    if (first) list(share);
  } else {
    by_chunks_[worker.level - 1U].push_back(worker);
    any_worker_ |= bit(worker.level - 1U);
  }
}

void ReadyWorkers::withhold(Worker& worker) {
  if (!worker.among_equals.linked) return;
  if (worker.level == 0) {
    RankShare& share = share_of(worker);
    share.idle.remove(worker);
    if (share.idle.empty()) unlist(share);
  } else {
    Equals& equals = by_chunks_[worker.level - 1U];
    equals.remove(worker);
    if (equals.empty()) any_worker_ &= ~bit(worker.level - 1U);
  }
}

void ReadyWorkers::remove(Worker& worker) {
  withhold(worker);
  count_busy(worker, false);
}

Worker* ReadyWorkers::idle() const {
  for (std::size_t word = 0; word < any_rank_.size(); ++word) {
    if (any_rank_[word] == 0) continue;
    const auto busy = word * 64 + static_cast<std::size_t>(std::countr_zero(any_rank_[word]));
    const RankShare& own = *ranks_.front();
    const RankShare& share = own.busy == busy && !own.idle.empty() ? own : *by_busy_[busy].front();
    return share.idle.front();
  }
  return nullptr;
}

Worker* ReadyWorkers::least_busy() const {
  if (any_worker_ == 0) return nullptr;
  return by_chunks_[static_cast<std::size_t>(std::countr_zero(any_worker_))].front();
}

ReadyWorkers::RankShare& ReadyWorkers::share_of(const Worker& worker) {
  const auto rank = static_cast<std::size_t>(raw(worker.rank));
  while (rank >= ranks_.size()) ranks_.push_back(std::make_unique<RankShare>());
  return *ranks_[rank];
}

void ReadyWorkers::list(RankShare& share) {
  if (share.busy >= by_busy_.size()) {
    by_busy_.resize(share.busy + 1U);
    any_rank_.resize(by_busy_.size() / 64 + 1);
  }
  by_busy_[share.busy].push_front(share);
  any_rank_[share.busy / 64] |= bit(share.busy);
}

void ReadyWorkers::unlist(RankShare& share) {
  RankShares& equals = by_busy_[share.busy];
  equals.remove(share);
  if (equals.empty()) any_rank_[share.busy / 64] &= ~bit(share.busy);
}

void ReadyWorkers::count_busy(Worker& worker, bool busy) {
  if (worker.counted_busy == busy) return;
  worker.counted_busy = busy;
  RankShare& share = share_of(worker);
  const bool listed = share.equally_busy.linked;
  if (listed) unlist(share);
  if (busy) {
    ++share.busy;
    ++busy_;
  } else {
    --share.busy;
    --busy_;
  }
  if (listed) list(share);
}

}  // namespace rankpool::schedule
