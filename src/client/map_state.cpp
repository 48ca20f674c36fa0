#include <rankpool/detail/map_state.hpp>
#include <rankpool/detail/stand_in.hpp>

#include "client/callbacks.hpp"

#include <rankpool/errors.hpp>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>

namespace rankpool::inline v0_2::detail {
namespace {

/// Values that are worth waking the reader for when it wants all of them: a part of what is to come, at least so many.
constexpr std::uint64_t kWorthWaking = 4096;
constexpr std::uint64_t kPart = 8;

}  // namespace

MapBase::Outcome::Outcome() = default;
MapBase::Outcome::Outcome(Outcome&&) noexcept = default;
MapBase::Outcome::~Outcome() = default;

MapBase::MapBase(bool unordered, ResultForm form)
    : unordered_(unordered), tally_(std::make_shared<MapTally>()), store_(form) {}
MapBase::~MapBase() = default;

void MapBase::appended() {
  const std::lock_guard lock(mutex_);
  for (auto& [index, error] : items_.take_failures()) {
    unencoded_.insert(index);
    if (!abandoned_) problems_[index] = Problem(std::move(error));
    ++tally_->failed;
    arrived(index, 1);
  }
  const std::uint64_t known = std::exchange(total_, items_.size());
  tally_->known = total_;
  if (ended_beyond_) end_rest(known, total_ - known, *ended_beyond_);
}

bool MapBase::ended_beyond() {
  const std::lock_guard lock(mutex_);
  return ended_beyond_.has_value();
}

bool MapBase::await_fewer_bytes(std::uint64_t most, std::chrono::nanoseconds limit) {
  std::unique_lock lock(mutex_);
  if (items_.living_bytes() <= most) return true;
  bytes_awaited_ = most;
  const bool fewer = changed_.wait_for(lock, limit, [&] { return items_.living_bytes() <= most; });
  bytes_awaited_.reset();
  return fewer;
}

void MapBase::input_ended() {
  const std::lock_guard lock(mutex_);
  sealed_ = true;
  tell_if_complete();
}

void MapBase::when_complete(std::function<void()> told) {
  auto awaited = std::make_shared<client::AwaitedCallback>();
  const std::lock_guard lock(mutex_);
  complete_ = [told = std::move(told), awaited = std::move(awaited)] { told(); };
}

MapBase::Taken MapBase::take(Outcome& to, const std::optional<Timeout::Clock::time_point>& deadline) {
  std::unique_lock lock(mutex_);
  if (!wait_for(lock, 1, deadline)) return Taken::timeout;
  if (at_end()) return Taken::end;
  const std::uint64_t index = unordered_ ? next_arrival() : cursor_;
  ++cursor_;
  take_locked(index, to);
  return Taken::outcome;
}

std::vector<MapBase::Outcome> MapBase::take_rest() {
  const std::lock_guard lock(mutex_);
  std::vector<Outcome> rest;
  if (!unordered_) {
    while (cursor_ < total_) take_locked(cursor_++, rest.emplace_back());
    return rest;
  }
  while (!arrivals_.empty()) take_locked(next_arrival(), rest.emplace_back());
  for (std::uint64_t i = arrived_.prefix(); i < total_; ++i) {
    if (!arrived_.contains(i)) take_locked(i, rest.emplace_back());
  }
  cursor_ = total_;
  return rest;
}

bool MapBase::take_values(void* to, Append append, const std::optional<Timeout::Clock::time_point>& deadline) {
  if (!store_.form().fixed()) return false;
  std::unique_lock lock(mutex_);
  const std::uint64_t worth_waking = std::max((total_ - cursor_) / kPart, kWorthWaking);
  if (unordered_ || !wait_for(lock, worth_waking, deadline) || at_end()) return false;
  std::uint64_t end = arrived_.prefix();
  if (!problems_.empty()) end = std::min(end, problems_.begin()->first);
  if (end <= cursor_) return false;
  while (cursor_ < end) {
    const auto run = store_.run(cursor_, end);
    append(to, run);
    const std::uint64_t count = run.size() / store_.form().size;
    store_.drop(cursor_, count);
    cursor_ += count;
  }
  return true;
}

std::uint64_t MapBase::taken() {
  const std::lock_guard lock(mutex_);
  return cursor_;
}

std::uint64_t MapBase::total() {
  const std::lock_guard lock(mutex_);
  return total_;
}

void MapBase::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  problems_.clear();
  arrivals_.clear();
  store_.clear();
}

std::size_t MapBase::gather(std::uint64_t first, std::uint32_t count, Gather& to) {
  return items_.gather(first, count, to);
}

void MapBase::values(std::uint64_t first, std::uint32_t count, std::span<const std::byte> bytes) noexcept {
  const std::lock_guard lock(mutex_);
  if (!store_.form().fixed() || bytes.size() != std::size_t{count} * store_.form().size) {
    const auto error = std::make_exception_ptr(SerializationError("results of a wrong size"));
    for (std::uint64_t i = first; i < first + count; ++i) end_locked(i, 1, Problem(error));
    return;
  }
  keep(first, count, [&] { store_.put_fixed(first, count, bytes.data()); });
}

void MapBase::value(std::uint64_t index, Bytes encoded) noexcept {
  const std::lock_guard lock(mutex_);
  if (!store_.form().fixed()) {
    keep(index, 1, [&] { store_.put(index, std::move(encoded)); });
  } else if (encoded.size() != store_.form().size) {
    end_locked(index, 1, Problem(std::make_exception_ptr(SerializationError("a result of a wrong size"))));
  } else {
    keep(index, 1, [&] { store_.put_fixed(index, 1, encoded.data()); });
  }
}

void MapBase::error(std::uint64_t index, Bytes encoded) noexcept {
  const std::lock_guard lock(mutex_);
  end_locked(index, 1, Problem(std::move(encoded)));
}

void MapBase::skipped(std::uint64_t first, std::uint64_t count) noexcept {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t i = first; i < first + count; ++i) end_unencoded(i);
}

void MapBase::fail(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept {
  end_without_outcome(first, count, why);
}

void MapBase::cancelled(std::uint64_t first, std::uint64_t count) noexcept {
  end_without_outcome(first, count, nullptr);
}

void MapBase::tell_if_complete() noexcept {
  if (complete_ && sealed_ && arrived_.prefix() >= total_) post_to_callback_thread(std::exchange(complete_, nullptr));
}

std::uint64_t MapBase::next_arrival() {
  auto& [first, count] = arrivals_.front();
  const std::uint64_t index = first++;
  if (--count == 0) arrivals_.pop_front();
  return index;
}

void MapBase::take_locked(std::uint64_t index, Outcome& to) {
  to.index = index;
  to.has_value = false;
  to.problem.reset();
  if (const auto found = problems_.find(index); found != problems_.end()) {
    to.problem = std::move(found->second);
    problems_.erase(found);
    store_.drop(index, 1);
  } else if (arrived_.contains(index)) {
    store_.take(index, to.value);
    to.has_value = true;
  }
}

bool MapBase::enough() const noexcept {
  if (at_end()) return true;
  if (unordered_) return !arrivals_.empty();
  const std::uint64_t there = arrived_.prefix();
  if (there <= cursor_) return false;
  return there >= wanted_ || there >= total_ || (!problems_.empty() && problems_.begin()->first < there);
}

bool MapBase::wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t items,
                       const std::optional<Timeout::Clock::time_point>& deadline) {
  wanted_ = cursor_ + items;
  if (enough()) return true;
  standing_in_ = true;
  lock.unlock();
  const auto is_enough = [this] {
    const std::lock_guard guard(mutex_);
    return enough();
  };
  stand_in_until(is_enough, deadline);
  lock.lock();
  standing_in_ = false;
  if (enough()) return true;
  waiting_ = true;
  bool there = true;
  if (deadline) {
    there = changed_.wait_until(lock, *deadline, [&] { return enough(); });
  } else {
    changed_.wait(lock, [&] { return enough(); });
  }
  waiting_ = false;
  return there;
}

/// Stores results by `put`. Where rank 0 has no memory for them these items fail, and nothing else does.
template <class Put>
void MapBase::keep(std::uint64_t first, std::uint64_t count, const Put& put) noexcept {
  try {
    if (!abandoned_) put();
  } catch (const std::bad_alloc&) {
    const auto error = std::make_exception_ptr(SerializationError("there is no memory on rank 0 for this result"));
    for (std::uint64_t i = first; i < first + count; ++i) end_locked(i, 1, Problem(error));
    return;
  }
  ended(first, count);
}

/// Leaves alone what has ended: items that could not be encoded, and all that was done when the whole pool ends.
/// What is appended behind `first` later has ended likewise if `count` has no end. Cancelled if `why` is null.
void MapBase::end_without_outcome(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept {
  const std::lock_guard lock(mutex_);
  end_rest(first, first < total_ ? std::min(count, total_ - first) : 0, why);
  if (count >= UINT64_MAX - first) ended_beyond_ = why;
}

/// Those of the items that have not ended.
void MapBase::end_rest(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept {
  for (std::uint64_t i = first; i < first + count; ++i) {
    if (unencoded_.contains(i) || !arrived_.contains(i)) end_locked(i, 1, why ? Problem(why) : Problem(Skipped{}));
  }
}

/// False if this item could be encoded. Otherwise it has its outcome already, and only its bytes are let go.
bool MapBase::end_unencoded(std::uint64_t index) noexcept {
  if (unencoded_.erase(index) == 0) return false;
  items_.release(index, 1);
  return true;
}

void MapBase::end_locked(std::uint64_t first, std::uint64_t count, Problem problem) noexcept {
  if (end_unencoded(first)) return;
  if (!abandoned_) problems_[first] = std::move(problem);
  tally_->failed += count;
  ended(first, count);
}

void MapBase::ended(std::uint64_t first, std::uint64_t count) noexcept {
  items_.release(first, count);
  if (bytes_awaited_ && items_.living_bytes() <= *bytes_awaited_) changed_.notify_one();
  arrived(first, count);
}

void MapBase::arrived(std::uint64_t first, std::uint64_t count) noexcept {
  arrived_.add(first, count);
  tally_->ended += count;
  if (abandoned_) return;
  if (unordered_) arrivals_.emplace_back(first, count);
  if (waiting_ && enough()) changed_.notify_one();
  if (standing_in_ && enough()) end_stand_in();
  if (complete_) tell_if_complete();
}

}  // namespace rankpool::inline v0_2::detail
