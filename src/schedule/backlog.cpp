#include "schedule/backlog.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace rankpool::schedule {

using Single = WorkTable::Single;

Backlog::Line& Backlog::line_of(int priority) {
  if (priority == 0) return usual_;
  Line& line = others_[priority];
  line.priority = priority;
  return line;
}

Backlog::Line* Backlog::next_line() noexcept {
  const auto highest = others_.begin();
  if (highest != others_.end() && (highest->first > 0 || usual_.works.empty())) return &highest->second;
  return usual_.works.empty() ? nullptr : &usual_;
}

void Backlog::pop(Line& line) {
  line.works.pop_front();
  --in_line_;
  if (line.works.empty() && line.priority != 0) others_.erase(line.priority);
}

std::uint64_t Backlog::before(int priority) const noexcept {
  if (others_.empty() && priority <= 0) return items_;
  std::uint64_t items = items_ - usual_.items;  // what was given back, and the other lines
  for (const auto& [of, line] : others_) items -= of < priority ? line.items : 0;
  return items + (priority <= 0 ? usual_.items : 0);
}

bool Backlog::any_above(int priority) const noexcept {
  if (priority < 0 && usual_.items > 0) return true;
  return std::any_of(others_.begin(), others_.end(),
                     [&](const auto& entry) { return entry.first > priority && entry.second.items > 0; });
}

bool Backlog::more_chunks_than(std::uint64_t few, Crew crew) const {
  if (items_ <= few) return false;
  const Line* const line = next_line();
  std::uint64_t chunks = given_back_.size() + in_line_ - std::min(withdrawn_, in_line_);
  if (chunks > few || line == nullptr) return chunks > few;
  if (const ManyItems* const many = works_.find_many(line->works.front());
      many != nullptr && many->next < many->items) {
    const std::uint64_t waiting = many->items - many->next;
    chunks += waiting / size_of_next(many->work, waiting, crew) - 1;
  }
  return chunks > few;
}

const ManyItems* Backlog::next_of_many() const {
  if (!given_back_.empty()) return works_.find_many(given_back_.front().work);
  const Line* const line = next_line();
  return line == nullptr ? nullptr : works_.find_many(line->works.front());
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

bool Backlog::takes_less_than(Nanoseconds limit) const {
  const ManyItems* const many = next_of_many();
  if (many == nullptr || !given_back_.empty() || many->items - many->next != items_) return false;
  return many->policy.known() && many->policy.expected(items_) < limit;
}

ChunkSize Backlog::next_size() const {
  const ManyItems* const many = next_of_many();
  if (many == nullptr || !given_back_.empty()) return ChunkSize::given;
  if (many->chunk == 0) return ChunkSize::adapted;
  return many->task_timeout ? ChunkSize::given : ChunkSize::batched;  // each item of these counts by itself
}

void Backlog::append(WorkId work, std::uint64_t more) {
  items_ += more;
  come_ += more;
  ManyItems* const many = works_.find_many(work);
  Line& line = line_of(many == nullptr ? 0 : many->priority);
  line.items += more;
  if (many != nullptr && std::exchange(many->queued, true)) return;
  line.works.push_back(work);
  ++in_line_;
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
  while (Line* const line = next_line()) {
    const WorkId work = line->works.front();
    WorkTable::Entry* const entry = works_.find(work);
    if (entry != nullptr && entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      const std::uint64_t waiting = many.items - many.next;
      std::uint64_t count = waiting == 0 ? 0 : size_of_next(work, waiting, crew);
      std::uint32_t batched = 1;
      if (most > 1 && many.chunk != 0 && many.policy.known() && !many.task_timeout) {
        // Half of what waits stays for the others, so that all end at about the same time.
        const std::uint64_t share = waiting / (2 * std::max<std::size_t>(crew.cores, 1) * many.chunk);
        const std::uint64_t limit = std::numeric_limits<std::uint32_t>::max() / many.chunk;
        batched = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::min(share, limit), 1, most));
        count = std::min<std::uint64_t>(std::uint64_t{many.chunk} * batched, waiting);
      }
      const Range chunk{work, many.next, count, batched};
      many.next += count;
      items_ -= count;
      line->items -= count;
      if (many.next == many.items) {
        many.queued = false;
        pop(*line);
        if (count == 0) withdrawn_ -= withdrawn_ > 0 ? 1 : 0;
      }
      if (count > 0) return chunk;
      continue;
    }
    if (entry == nullptr) {
      pop(*line);
      withdrawn_ -= withdrawn_ > 0 ? 1 : 0;
      continue;
    }
    entry->set(Single::handed_out);
    --items_;
    --line->items;
    pop(*line);
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
      --usual_.items;
      ++withdrawn_;
    } else if (entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      if (many.next < many.items) {
        result.push_back({work, many.next, many.items - many.next});
        line_of(many.priority).items -= many.items - many.next;
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
  const auto withdraw_work = [&](WorkId work) {
    WorkTable::Entry* const entry = works_.find(work);
    if (entry == nullptr) return;
    if (entry->single() == Single::queued) {
      result.push_back({work, 0, 1});
      entry->set(Single::handed_out_and_cancelled);
    } else if (entry->single() == Single::no) {
      ManyItems& many = works_.many(*entry);
      if (many.next < many.items) result.push_back({work, many.next, many.items - many.next});
      many.next = many.items;
      many.queued = false;
    }
  };
  for (const WorkId work : usual_.works) withdraw_work(work);
  for (const auto& [priority, line] : others_) {
    for (const WorkId work : line.works) withdraw_work(work);
  }
  usual_ = Line{};
  others_.clear();
  in_line_ = 0;
  given_back_.clear();
  withdrawn_ = 0;
  items_ = 0;
  return result;
}

void Backlog::tidy() {
  constexpr std::size_t worth_it = 64;  // below it the queue is soon gone through anyway
  if (withdrawn_ < worth_it || withdrawn_ * 2 < in_line_) return;
  const auto tidy_line = [&](Line& line) {
    in_line_ -= std::erase_if(line.works, [&](WorkId work) {
      const WorkTable::Entry* const entry = works_.find(work);
      return entry == nullptr || entry->single() == Single::handed_out_and_cancelled;
    });
  };
  tidy_line(usual_);
  for (auto& [priority, line] : others_) tidy_line(line);
  std::erase_if(others_, [](const auto& entry) { return entry.second.works.empty(); });
  withdrawn_ = 0;
}

}  // namespace rankpool::schedule
