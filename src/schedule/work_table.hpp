#pragma once

#include "base/ids.hpp"
#include "base/paged_table.hpp"
#include "schedule/chunk_policy.hpp"
#include "schedule/scheduler.hpp"

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

namespace rankpool::schedule {

/// A piece of work with many items, with an open end, or for groups.
struct ManyItems {
  WorkId work{};
  PoolId pool{};
  std::uint64_t items = 0;  ///< known so far
  std::uint64_t next = 0;   ///< all before this one have been handed out or given up
  std::uint64_t ended = 0;
  std::uint32_t chunk = 0;
  std::uint32_t max_chunk = 1;
  std::uint32_t ranks = 0;   ///< not 0: each item is a group
  std::uint64_t memory = 0;  ///< bytes for an item, of a group for each process
  int priority = 0;
  std::optional<int> max_retries;
  std::optional<Nanoseconds> task_timeout;
  std::shared_ptr<const std::vector<Rank>> avoid;  ///< ranks on whose nodes it is not run if others can
  /// Whether its items wait for places in the PlaceQueue, not for a worker in the Backlog.
  [[nodiscard]] bool waits_for_places() const noexcept { return ranks > 0 || memory > 0; }
  bool used = false;
  bool open = false;
  bool queued = false;
  bool cancelled = false;
  ChunkPolicy policy;
};

/// All works that have not ended.
///
/// A program may have millions of them pending, nearly all of a single item. Such a one is just 12 bytes here and 8 in
/// its pool's queue; what more items need, or one with options of its own, stands elsewhere.
class WorkTable {
 public:
  enum class Single : std::uint32_t {
    no = 0,
    queued,
    handed_out,
    handed_out_and_cancelled,  ///< not to be handed out again
  };
  struct Entry {
    PoolId pool{};
    std::uint32_t state = 0;  ///< a Single, or the place among the others

    [[nodiscard]] Single single() const noexcept { return state < kOffset ? Single{state} : Single::no; }
    void set(Single single) noexcept { state = static_cast<std::uint32_t>(single); }
  };

  [[nodiscard]] Entry* find(WorkId work) noexcept { return entries_.find(raw(work)); }
  void add(WorkId work, PoolId pool, const WorkSpec& spec);
  /// Of an entry that is no single.
  [[nodiscard]] ManyItems& many(const Entry& entry) noexcept { return many_[entry.state - kOffset]; }
  [[nodiscard]] ManyItems* find_many(WorkId work) noexcept;
  [[nodiscard]] int priority_of(WorkId work) noexcept {
    const ManyItems* const many = find_many(work);
    return many == nullptr ? 0 : many->priority;
  }
  void erase(WorkId work);
  /// Those of a pool that are no singles.
  [[nodiscard]] std::vector<WorkId> many_of(PoolId pool) const;

 private:
  static constexpr std::uint32_t kOffset = 4;

  base::PagedTable<Entry> entries_;
  std::deque<ManyItems> many_;
  std::vector<std::uint32_t> free_;
};

}  // namespace rankpool::schedule
