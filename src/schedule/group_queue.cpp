#include "schedule/group_queue.hpp"

#include <algorithm>

namespace rankpool::schedule {

void GroupQueue::append(WorkId work, std::uint64_t behind) {
  ManyItems* const many = works_.find_many(work);
  if (many == nullptr || many->queued) return;
  many->queued = true;
  const int priority = many->priority;
  const auto lower =
      std::find_if(queue_.begin(), queue_.end(), [&](const InLine& one) { return one.priority < priority; });
  queue_.insert(lower, {work, behind, priority});
}

void GroupQueue::give_back(WorkId work, std::uint64_t item) { given_back_.push_back({work, item, 1}); }

GroupQueue::Next GroupQueue::next_of(WorkId work, std::uint64_t item) {
  const ManyItems* const many = works_.find_many(work);
  return {work, item, many == nullptr ? 1 : many->ranks, many == nullptr ? 0 : many->priority};
}

std::optional<GroupQueue::Next> GroupQueue::at(std::size_t nth, std::uint64_t gone) {
  if (nth < given_back_.size()) return next_of(given_back_[nth].work, given_back_[nth].first);
  nth -= given_back_.size();
  if (nth >= queue_.size() || queue_[nth].behind > gone) return std::nullopt;
  const ManyItems* const many = works_.find_many(queue_[nth].work);
  return many == nullptr ? std::nullopt : std::optional(next_of(many->work, many->next));
}

void GroupQueue::take(const Next& next) {
  const auto same = [&](const Range& range) { return range.work == next.work && range.first == next.item; };
  if (const auto back = std::find_if(given_back_.begin(), given_back_.end(), same); back != given_back_.end()) {
    if (back == given_back_.begin()) reserve_ = 0;
    given_back_.erase(back);
    return;
  }
  if (given_back_.empty() && !queue_.empty() && queue_.front().work == next.work) reserve_ = 0;
  if (ManyItems* const many = works_.find_many(next.work)) ++many->next;
  tidy();
}

std::vector<Range> GroupQueue::rest_of(WorkId work) {
  ManyItems* const many = works_.find_many(work);
  if (many == nullptr) return {};
  std::vector<Range> rest;
  if (many->next < many->items) rest.push_back({work, many->next, many->items - many->next});
  many->next = many->items;
  return rest;
}

std::vector<Range> GroupQueue::withdraw(WorkId work) {
  std::vector<Range> result = rest_of(work);
  std::erase_if(given_back_, [&](const Range& range) {
    if (range.work == work) result.push_back(range);
    return range.work == work;
  });
  tidy();
  return result;
}

std::vector<Range> GroupQueue::withdraw_all() {
  std::vector<Range> result(given_back_.begin(), given_back_.end());
  given_back_.clear();
  for (const InLine& one : queue_) {
    for (const Range& range : rest_of(one.work)) result.push_back(range);
  }
  tidy();
  return result;
}

/// Works of which nothing waits leave the line.
void GroupQueue::tidy() {
  std::erase_if(queue_, [&](const InLine& one) {
    ManyItems* const many = works_.find_many(one.work);
    if (many != nullptr && many->next < many->items) return false;
    if (many != nullptr) many->queued = false;
    return true;
  });
  if (empty()) reserve_ = 0;
}

}  // namespace rankpool::schedule
