#include "schedule/backlog.hpp"

#include <algorithm>
#include <limits>

namespace rankpool::schedule {

using Single = WorkTable::Single;

bool Backlog::more_chunks_than(std::uint64_t few, Crew crew) const {
  if (items_ <= few) return false;
  std::uint64_t chunks = given_back_.size() + queue_.size() - std::min(withdrawn_, queue_.size());
  if (chunks > few || queue_.empty()) return chunks > few;
  if (const ManyItems* const many = works_.find_many(queue_.front()); many != nullptr && many->next < many->items) {
    const std::uint64_t waiting = many->items - many->next;
    chunks += waiting / size_of_next(many->work, waiting, crew) - 1;
  }
  return chunks > few;
}

const ManyItems* Backlog::next_of_many() const {
  if (!given_back_.empty()) return works_.find_many(given_back_.front().work);
  return queue_.empty() ? nullptr : works_.find_many(queue_.front());
}

bool Backlog::next_is_known() const {
  const ManyItems* const many = next_of_many();
  return many == nullptr || many->policy.known();
}

bool Backlog::next_is_growing(Crew crew, const LookAhead& look_ahead) const {
  const ManyItems* const many = next_of_many();
  if (many == nullptr || !given_back_.empty() || many->next == many->items) return false;
  if (many->chunk == 0) return many->policy.growing(many->items - many->next, crew);
  return !many->policy.known() || look_ahead.growing();
}

ChunkSize Backlog::next_size() const {
  const ManyItems* const many = next_of_many();
  if (many == nullptr || !given_back_.empty()) return ChunkSize::given;
  return many->chunk != 0 ? ChunkSize::batched : ChunkSize::adapted;
}

void Backlog::append(WorkId work, std::uint64_t more) {
  items_ += more;
  come_ += more;
  if (ManyItems* const many = works_.find_many(work)) {
    if (many->queued) return;
    many->queued = true;
  }
  queue_.push_back(work);
}

void Backlog::give_back(Range range) {
  items_ += range.count;
  come_ += range.count;
  given_back_.push_front(range);
}

std::uint32_t Backlog::size_of_next(WorkId work, std::uint64_t waiting, Crew crew) const {
  const ManyItems* const many = works_.find_many(work);
  if (many == nullptr) return 1;
  if (many->chunk != 0) return static_cast<std::uint32_t>(std::min<std::uint64_t>(many->chunk, waiting));
  return many->policy.next(waiting, crew, many->max_chunk);
}

std::optional<Range> Backlog::take(Crew crew, std::uint32_t most) {
  if (!given_back_.empty()) {
    Range& front = given_back_.front();
    const Range chunk{front.work, front.first, size_of_next(front.work, front.count, crew)};
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
      std::uint64_t count = waiting == 0 ? 0 : size_of_next(work, waiting, crew);
      std::uint32_t batched = 1;
      if (most > 1 && many.chunk != 0 && many.policy.known()) {
        // Half of what waits stays for the others, so that all end at about the same time.
        const std::uint64_t share = waiting / (2 * std::max<std::size_t>(crew.cores, 1) * many.chunk);
        const std::uint64_t limit = std::numeric_limits<std::uint32_t>::max() / many.chunk;
        batched = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::min(share, limit), 1, most));
        count = std::min<std::uint64_t>(std::uint64_t{many.chunk} * batched, waiting);
      }
      const Range chunk{work, many.next, count, batched};
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
