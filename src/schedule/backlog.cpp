#include "schedule/backlog.hpp"

#include <algorithm>

namespace rankpool::schedule {

using Single = WorkTable::Single;

bool Backlog::more_chunks_than(std::uint64_t few, std::size_t workers) const {
  if (items_ <= few) return false;
  std::uint64_t chunks = given_back_.size() + queue_.size() - std::min(withdrawn_, queue_.size());
  if (chunks > few || queue_.empty()) return chunks > few;
  if (const ManyItems* const many = works_.find_many(queue_.front()); many != nullptr && many->next < many->items) {
    const std::uint64_t waiting = many->items - many->next;
    chunks += waiting / size_of_next(many->work, waiting, workers) - 1;
  }
  return chunks > few;
}

void Backlog::append(WorkId work, std::uint64_t more) {
  items_ += more;
  if (ManyItems* const many = works_.find_many(work)) {
    if (many->queued) return;
    many->queued = true;
  }
  queue_.push_back(work);
}

void Backlog::give_back(Range range) {
  items_ += range.count;
  given_back_.push_front(range);
}

std::uint32_t Backlog::size_of_next(WorkId work, std::uint64_t waiting, std::size_t workers) const {
  const ManyItems* const many = works_.find_many(work);
  if (many == nullptr) return 1;
  if (many->chunk != 0) return static_cast<std::uint32_t>(std::min<std::uint64_t>(many->chunk, waiting));
  return many->policy.next(waiting, workers, many->max_chunk);
}

std::optional<Range> Backlog::take(std::size_t workers) {
  if (!given_back_.empty()) {
    Range& front = given_back_.front();
    const Range chunk{front.work, front.first, size_of_next(front.work, front.count, workers)};
    front.first += chunk.count;
    front.count -= chunk.count;
    if (front.count == 0) given_back_.pop_front();
    items_ -= chunk.count;
    return chunk;
  }
  while (!queue_.empty()) {
    const WorkId work = queue_.front();
    WorkTable::Entry* const entry = works_.find(work);
    if (entry != nullptr && entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      const std::uint64_t waiting = many.items - many.next;
      const std::uint32_t count = waiting == 0 ? 0 : size_of_next(work, waiting, workers);
      const Range chunk{work, many.next, count};
      many.next += count;
      items_ -= count;
      if (many.next == many.items) {
        many.queued = false;
        queue_.pop_front();
        if (count == 0) withdrawn_ -= withdrawn_ > 0 ? 1 : 0;
      }
      if (count > 0) return chunk;
      continue;
    }
    queue_.pop_front();
    if (entry == nullptr) {
      withdrawn_ -= withdrawn_ > 0 ? 1 : 0;
      continue;
    }
    entry->set(Single::handed_out);
    --items_;
    return Range{work, 0, 1};
  }
  return std::nullopt;
}

std::vector<Range> Backlog::withdraw(WorkId work) {
  std::vector<Range> result;
  std::erase_if(given_back_, [&](const Range& range) {
    if (range.work == work) result.push_back(range);
    return range.work == work;
  });
  if (WorkTable::Entry* const entry = works_.find(work)) {
    if (entry->single() == Single::queued) {
      result.push_back({work, 0, 1});
      entry->set(Single::handed_out_and_cancelled);
      ++withdrawn_;
    } else if (entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      if (many.next < many.items) {
        result.push_back({work, many.next, many.items - many.next});
        ++withdrawn_;
      }
      many.next = many.items;
    }
  }
  for (const Range& range : result) items_ -= range.count;
  tidy();
  return result;
}

std::vector<Range> Backlog::withdraw_all() {
  std::vector<Range> result(given_back_.begin(), given_back_.end());
  for (const WorkId work : queue_) {
    WorkTable::Entry* const entry = works_.find(work);
    if (entry == nullptr) continue;
    if (entry->single() == Single::queued) {
      result.push_back({work, 0, 1});
      entry->set(Single::handed_out_and_cancelled);
    } else if (entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      if (many.next < many.items) result.push_back({work, many.next, many.items - many.next});
      many.next = many.items;
      many.queued = false;
    }
  }
  given_back_.clear();
  queue_.clear();
  withdrawn_ = 0;
  items_ = 0;
  return result;
}

void Backlog::tidy() {
  constexpr std::size_t worth_it = 64;  // below it the queue is soon gone through anyway
  if (withdrawn_ < worth_it || withdrawn_ * 2 < queue_.size()) return;
  std::erase_if(queue_, [&](WorkId work) {
    const WorkTable::Entry* const entry = works_.find(work);
    return entry == nullptr || entry->single() == Single::handed_out_and_cancelled;
  });
  withdrawn_ = 0;
}

}  // namespace rankpool::schedule
