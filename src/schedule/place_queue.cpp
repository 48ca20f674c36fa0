#include "schedule/place_queue.hpp"

#include <algorithm>

namespace rankpool::schedule {

void PlaceQueue::append(WorkId work, std::uint64_t behind) {
  ManyItems* const many = works_.find_many(work);
  if (many == nullptr || many->queued) return;
  many->queued = true;
  const int priority = many->priority;
  const auto lower =
      std::find_if(queue_.begin(), queue_.end(), [&](const InLine& one) { return one.priority < priority; });
  queue_.insert(lower, {work, behind, priority});
}

void PlaceQueue::give_back(const Range& range) { given_back_.push_back(range); }

PlaceQueue::Next PlaceQueue::next_of(const Range& range) {
  Next next{.work = range.work, .item = range.first, .count = range.count};
  if (const ManyItems* const many = works_.find_many(range.work)) {
    next.group = many->ranks > 0;
    next.ranks = std::max<std::size_t>(many->ranks, 1);
    next.memory = many->memory;
    next.priority = many->priority;
  }
  return next;
}

std::optional<PlaceQueue::Next> PlaceQueue::at(std::size_t nth, std::uint64_t gone) {
  if (nth < given_back_.size()) return next_of(given_back_[nth]);
  nth -= given_back_.size();
  if (nth >= queue_.size() || queue_[nth].behind > gone) return std::nullopt;
  const ManyItems* const many = works_.find_many(queue_[nth].work);
  return many == nullptr ? std::nullopt : std::optional(next_of({many->work, many->next, many->items - many->next}));
}

void PlaceQueue::take(const Next& next, std::uint64_t count) {
  const auto same = [&](const Range& range) { return range.work == next.work && range.first == next.item; };
  if (const auto back = std::find_if(given_back_.begin(), given_back_.end(), same); back != given_back_.end()) {
    if (back == given_back_.begin()) reserve_ = 0;
    back->first += count;
    back->count -= count;
    if (back->count == 0) given_back_.erase(back);
    return;
  }
  if (given_back_.empty() && !queue_.empty() && queue_.front().work == next.work) reserve_ = 0;
  if (ManyItems* const many = works_.find_many(next.work)) many->next += count;
  tidy();
}

std::vector<Range> PlaceQueue::rest_of(WorkId work) {
  ManyItems* const many = works_.find_many(work);
  if (many == nullptr) return {};
  std::vector<Range> rest;
  if (many->next < many->items) rest.push_back({work, many->next, many->items - many->next});
  many->next = many->items;
  return rest;
}

std::vector<Range> PlaceQueue::withdraw(WorkId work) {
  std::vector<Range> result = rest_of(work);
  std::erase_if(given_back_, [&](const Range& range) {
    if (range.work == work) result.push_back(range);
    return range.work == work;
  });
  tidy();
  return result;
}

std::vector<Range> PlaceQueue::withdraw_all() {
  std::vector<Range> result(given_back_.begin(), given_back_.end());
  given_back_.clear();
  for (const InLine& one : queue_) {
    for (const Range& range : rest_of(one.work)) result.push_back(range);
  }
  tidy();
  return result;
}

/// Works of which nothing waits leave the line.
void PlaceQueue::tidy() {
  std::erase_if(queue_, [&](const InLine& one) {
    ManyItems* const many = works_.find_many(one.work);
    if (many != nullptr && many->next < many->items) return false;
    if (many != nullptr) many->queued = false;
    return true;
  });
  if (empty()) reserve_ = 0;
}

}  // namespace rankpool::schedule
