#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/map_input.hpp>
#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/detail/result_store.hpp>
#include <rankpool/timeout.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// What stands behind MapResults<R>: the encoded items on their way out, and the outcomes on their way in.
///
/// The engine thread ends items, one other thread takes the outcomes and appends items.
template <class R>
class MapState final : public ResultReceiver {
 public:
  struct Skipped {};
  using Problem =
      std::variant<Bytes, FailurePtr, std::exception_ptr, Skipped>;  ///< Bytes: a remote exception; Skipped: cancelled
  struct Outcome {
    std::uint64_t index = 0;
    std::optional<typename ResultStore<R>::Cell> value;
    std::optional<Problem> problem;
    /// True if it has ended: then there is a value or a problem.
    [[nodiscard]] bool ended() const noexcept { return value || problem; }
  };

  explicit MapState(bool unordered) : unordered_(unordered) {}

  // -- the thread that owns the results
  MapItems& items() noexcept { return items_; }
  std::mutex& mutex() noexcept { return mutex_; }

  /// Called after items were appended (with the mutex free): those that failed to be encoded have ended by that.
  void appended() {
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
  /// The pool has ended: whatever is still appended will not be run.
  [[nodiscard]] bool ended_beyond() {
    const std::lock_guard lock(mutex_);
    return ended_beyond_.has_value();
  }
  void input_ended() {
    const std::lock_guard lock(mutex_);
    sealed_ = true;
    tell_if_complete();
  }
  /// Calls it once, on the callback thread, when the input has ended and so have all items. To be said before they are
  /// handed in; only for results in order.
  void when_complete(std::function<void()> told) {
    start_callback_thread();
    const std::lock_guard lock(mutex_);
    complete_ = std::move(told);
  }

  enum class Taken : std::uint8_t { outcome, end, timeout };
  /// The next outcome in order (or as they come), if it comes before the deadline.
  Taken take(Outcome& to, const std::optional<Timeout::Clock::time_point>& deadline) {
    std::unique_lock lock(mutex_);
    if (!wait_for(lock, 1, deadline)) return Taken::timeout;
    if (at_end()) return Taken::end;
    const std::uint64_t index = unordered_ ? next_arrival() : cursor_;
    ++cursor_;
    take_locked(index, to);
    return Taken::outcome;
  }
  /// The outcomes of all items that have not been taken; those that have not ended are without one. Nobody may take
  /// anything afterwards.
  std::vector<Outcome> take_rest() {
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
  [[nodiscard]] const std::shared_ptr<MapTally>& tally() const noexcept { return tally_; }
  /// Appends to `to` as many values as there are in a run; false if the next outcome is none, and `take` has to look.
  bool take_values(std::vector<R>& to, const std::optional<Timeout::Clock::time_point>& deadline) {
    if constexpr (!ResultStore<R>::fixed) {
      return false;
    } else {
      std::unique_lock lock(mutex_);
      const std::uint64_t worth_waking = std::max((total_ - cursor_) / kPart, kWorthWaking);
      if (unordered_ || !wait_for(lock, worth_waking, deadline) || at_end()) return false;
      std::uint64_t end = arrived_.prefix();
      if (!problems_.empty()) end = std::min(end, problems_.begin()->first);
      if (end <= cursor_) return false;
      while (cursor_ < end) cursor_ += store_.take_run(cursor_, end, to);
      return true;
    }
  }
  [[nodiscard]] std::uint64_t taken() {
    const std::lock_guard lock(mutex_);
    return cursor_;
  }
  [[nodiscard]] std::uint64_t total() {
    const std::lock_guard lock(mutex_);
    return total_;
  }
  /// Nobody will take anything any more: what comes is dropped.
  void abandon() {
    const std::lock_guard lock(mutex_);
    abandoned_ = true;
    problems_.clear();
    arrivals_.clear();
    store_ = {};
  }

  // -- ResultReceiver
  bool begin(std::uint64_t, std::uint32_t) noexcept override { return true; }
  std::size_t gather(std::uint64_t first, std::uint32_t count, Gather& to) override {
    return items_.gather(first, count, to);
  }
  void values(std::uint64_t first, std::uint32_t count, std::span<const std::byte> bytes) noexcept override {
    const std::lock_guard lock(mutex_);
    if (bytes.size() != std::size_t{count} * sizeof(R) || !ResultStore<R>::fixed) {
      const auto error = std::make_exception_ptr(SerializationError("results of a wrong size"));
      for (std::uint64_t i = first; i < first + count; ++i) end_locked(i, 1, Problem(error));
      return;
    }
    keep(first, count, [&] { store_.put_fixed(first, count, bytes.data()); });
  }
  void value(std::uint64_t index, Bytes encoded) noexcept override {
    const std::lock_guard lock(mutex_);
    if constexpr (ResultStore<R>::fixed) {
      if (encoded.size() != sizeof(R)) {
        return end_locked(index, 1, Problem(std::make_exception_ptr(SerializationError("a result of a wrong size"))));
      }
      keep(index, 1, [&] { store_.put_fixed(index, 1, encoded.data()); });
    } else {
      keep(index, 1, [&] { store_.put(index, std::move(encoded)); });
    }
  }
  void error(std::uint64_t index, Bytes encoded) noexcept override {
    const std::lock_guard lock(mutex_);
    end_locked(index, 1, Problem(std::move(encoded)));
  }
  void skipped(std::uint64_t first, std::uint64_t count) noexcept override {
    const std::lock_guard lock(mutex_);
    for (std::uint64_t i = first; i < first + count; ++i) end_unencoded(i);
  }
  void fail(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept override {
    end_without_outcome(first, count, why);
  }
  void cancelled(std::uint64_t first, std::uint64_t count) noexcept override {
    end_without_outcome(first, count, nullptr);
  }

 private:
  /// Values that are worth waking the taker for when it wants all of them: a part of what is to come, at least so many.
  static constexpr std::uint64_t kWorthWaking = 4096;
  static constexpr std::uint64_t kPart = 8;

  void tell_if_complete() noexcept {
    if (complete_ && sealed_ && arrived_.prefix() >= total_) post_to_callback_thread(std::exchange(complete_, nullptr));
  }
  std::uint64_t next_arrival() {
    auto& [first, count] = arrivals_.front();
    const std::uint64_t index = first++;
    if (--count == 0) arrivals_.pop_front();
    return index;
  }
  void take_locked(std::uint64_t index, Outcome& to) {
    to.index = index;
    to.value.reset();
    to.problem.reset();
    if (const auto found = problems_.find(index); found != problems_.end()) {
      to.problem = std::move(found->second);
      problems_.erase(found);
      store_.drop(index, 1);
    } else if (arrived_.contains(index)) {
      to.value.emplace(store_.take(index));
    }
  }
  [[nodiscard]] bool at_end() const { return sealed_ && cursor_ >= total_; }
  [[nodiscard]] bool enough() const {
    if (at_end()) return true;
    if (unordered_) return !arrivals_.empty();
    const std::uint64_t there = arrived_.prefix();
    if (there <= cursor_) return false;
    return there >= wanted_ || there >= total_ || (!problems_.empty() && problems_.begin()->first < there);
  }
  bool wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t items,
                const std::optional<Timeout::Clock::time_point>& deadline) {
    wanted_ = cursor_ + items;
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
  void keep(std::uint64_t first, std::uint64_t count, const Put& put) noexcept {
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
  void end_without_outcome(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept {
    const std::lock_guard lock(mutex_);
    end_rest(first, first < total_ ? std::min(count, total_ - first) : 0, why);
    if (count >= UINT64_MAX - first) ended_beyond_ = why;
  }
  /// Those of the items that have not ended.
  void end_rest(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept {
    for (std::uint64_t i = first; i < first + count; ++i) {
      if (unencoded_.contains(i) || !arrived_.contains(i)) end_locked(i, 1, why ? Problem(why) : Problem(Skipped{}));
    }
  }
  /// False if this item could be encoded. Otherwise it has its outcome already, and only its bytes are let go.
  bool end_unencoded(std::uint64_t index) noexcept {
    if (unencoded_.erase(index) == 0) return false;
    items_.release(index, 1);
    return true;
  }
  void end_locked(std::uint64_t first, std::uint64_t count, Problem problem) noexcept {
    if (end_unencoded(first)) return;
    if (!abandoned_) problems_[first] = std::move(problem);
    tally_->failed += count;
    ended(first, count);
  }
  void ended(std::uint64_t first, std::uint64_t count) noexcept {
    items_.release(first, count);
    arrived(first, count);
  }
  void arrived(std::uint64_t first, std::uint64_t count) noexcept {
    arrived_.add(first, count);
    tally_->ended += count;
    if (abandoned_) return;
    if (unordered_) arrivals_.emplace_back(first, count);
    if (waiting_ && enough()) changed_.notify_one();
    if (complete_) tell_if_complete();
  }

  const bool unordered_;
  const std::shared_ptr<MapTally> tally_ = std::make_shared<MapTally>();
  MapItems items_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  ResultStore<R> store_;
  ArrivedItems arrived_;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> arrivals_;  ///< unordered: {first, count} as they came
  std::map<std::uint64_t, Problem> problems_;
  std::set<std::uint64_t> unencoded_;  ///< have their outcome, but the engine has not done with what stands for them
  std::optional<FailurePtr> ended_beyond_;  ///< how items end that are appended after all have ended; null: cancelled
  std::uint64_t cursor_ = 0;
  std::uint64_t total_ = 0;
  std::uint64_t wanted_ = 0;
  bool sealed_ = false;
  bool waiting_ = false;
  bool abandoned_ = false;
  std::function<void()> complete_;
};

}  // namespace rankpool::inline v0_2::detail
