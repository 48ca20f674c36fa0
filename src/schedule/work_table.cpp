#include "schedule/work_table.hpp"

#include <algorithm>

namespace rankpool::schedule {

void WorkTable::add(WorkId work, PoolId pool, const WorkSpec& spec) {
  Entry entry{pool, 0};
  if (spec.items == 1 && !spec.open && spec.ranks == 0 && spec.priority == 0 && !spec.max_retries &&
      !spec.task_timeout && !spec.avoid && spec.memory == 0) {
    entry.set(Single::queued);
    entries_.insert(raw(work), entry);
    return;
  }
  std::uint32_t place = static_cast<std::uint32_t>(many_.size());
  if (free_.empty()) {
    many_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  ManyItems& many = many_[place];
  many = ManyItems{};
  many.work = work;
  many.pool = pool;
  many.items = spec.items;
  many.chunk = spec.chunk;
  many.max_chunk = std::max(spec.max_chunk, 1U);
  many.ranks = spec.ranks;
  many.memory = spec.memory;
  many.priority = spec.priority;
  many.max_retries = spec.max_retries;
  many.task_timeout = spec.task_timeout;
  many.avoid = spec.avoid;
  many.used = true;
  many.open = spec.open;
  entry.state = place + kOffset;
  entries_.insert(raw(work), entry);
}

ManyItems* WorkTable::find_many(WorkId work) noexcept {
  const Entry* const entry = find(work);
  return entry == nullptr || entry->single() != Single::no ? nullptr : &many(*entry);
}

void WorkTable::erase(WorkId work) {
  const Entry* const entry = find(work);
  if (entry == nullptr) return;
  if (entry->single() == Single::no) {
    many(*entry).used = false;
    many(*entry).avoid.reset();
    free_.push_back(entry->state - kOffset);
  }
  entries_.erase(raw(work));
}

std::vector<WorkId> WorkTable::many_of(PoolId pool) const {
  std::vector<WorkId> result;
  for (const ManyItems& many : many_) {
    if (many.used && many.pool == pool) result.push_back(many.work);
  }
  std::sort(result.begin(), result.end());
  return result;
}

}  // namespace rankpool::schedule
