#pragma once

#include <rankpool/detail/waiter.hpp>
#include <rankpool/future.hpp>
#include <rankpool/timeout.hpp>

#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

/// When `wait` returns. Python: FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED.
enum class ReturnWhen {
  FIRST_COMPLETED,  ///< one has ended or was cancelled
  FIRST_EXCEPTION,  ///< one has ended with an exception; if none does: all have ended
  ALL_COMPLETED,    ///< all have ended or were cancelled
};

/// How `wait` waits.
struct WaitOptions {
  /// How long to wait at most, any duration; at or below zero it only looks. Default: as long as it takes. That the
  /// time is up is no error: what is not done is in `not_done`.
  Timeout timeout = {};
  /// What to wait for: the first future that completes, the first that fails, or all. A cancelled future is completed,
  /// and is no failure. Default: all, whether they fail or not.
  ReturnWhen return_when = ReturnWhen::ALL_COMPLETED;
};

/// What `wait` gives: two vectors of distinct futures.
template <class T>
struct WaitResult {
  std::vector<Future<T>> done;
  std::vector<Future<T>> not_done;
};

namespace detail {

template <class T>
struct FutureValue;
template <class T>
struct FutureValue<Future<T>> {
  using type = T;
};
template <class Range>
using FutureOf = std::remove_cvref_t<std::ranges::range_reference_t<Range>>;

/// The futures of a range, each once.
template <class Range>
auto distinct_futures(Range&& futures) {
  std::vector<FutureOf<Range>> all;
  std::unordered_set<const void*> seen;
  for (auto&& future : futures) {
    if (seen.insert(&future.state()).second) all.push_back(future);
  }
  return all;
}

}  // namespace detail

/// Waits for futures.
/// @param futures any range of Future<T>; each counts once, however often it occurs
/// @param options how long, and for what
/// @return WaitResult<T>: those that are done, whose callbacks may still run, and those that are not; both in the order
///   of `futures`
/// @throws InvalidStateError for an empty future; never a task's exception, nor TimeoutError
/// Thread-safe. Python: `concurrent.futures.wait`.
template <std::ranges::input_range Range>
auto wait(Range&& futures, WaitOptions options = {})
    -> WaitResult<typename detail::FutureValue<detail::FutureOf<Range>>::type> {
  using Value = typename detail::FutureValue<detail::FutureOf<Range>>::type;
  auto all = detail::distinct_futures(std::forward<Range>(futures));
  detail::Waiter waiter;
  const auto deadline = options.timeout.deadline();
  std::size_t done = 0;
  bool enough = all.empty();
  const auto failed = [&](std::size_t index) {
    return options.return_when == ReturnWhen::FIRST_EXCEPTION && !all[index].cancelled() &&
           all[index].state().stored_exception();
  };
  for (std::size_t i = 0; i < all.size(); ++i) waiter.watch(all[i].state(), i);
  std::vector<std::size_t> completed;
  while (true) {
    completed.clear();
    waiter.take(completed);
    done += completed.size();
    for (const std::size_t index : completed) enough = enough || failed(index);
    enough = enough || done == all.size() || (options.return_when == ReturnWhen::FIRST_COMPLETED && done > 0);
    if (enough) break;
    if (!waiter.wait(deadline)) break;
  }
  for (const auto& future : all) waiter.unwatch(future.state());
  WaitResult<Value> result;
  for (auto& future : all) (future.done() ? result.done : result.not_done).push_back(std::move(future));
  return result;
}

/// The futures in the order in which they complete: an input range and a view, so that it can be piped. Made by
/// `as_completed`. Move-only; one thread at a time uses it.
template <class T>
class AsCompleted : public std::ranges::view_base {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Future<T>;
    using difference_type = std::ptrdiff_t;
    using pointer = const Future<T>*;
    using reference = Future<T>;
    iterator() = default;
    explicit iterator(AsCompleted* all) : all_(all) {}
    /// The same future until `++`.
    Future<T> operator*() const { return all_->current_; }
    const Future<T>* operator->() const { return std::addressof(all_->current_); }
    iterator& operator++() {
      if (!all_->advance()) all_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) { return a.all_ == b.all_; }

   private:
    AsCompleted* all_ = nullptr;
  };

  AsCompleted(std::vector<Future<T>> futures, Timeout timeout)
      : waiter_(std::make_unique<detail::Waiter>()),
        pending_(std::move(futures)),
        left_(pending_.size()),
        total_(left_),
        deadline_(timeout.deadline()) {
    for (std::size_t i = 0; i < pending_.size(); ++i) waiter_->watch(pending_[i].state(), i);
  }
  AsCompleted(AsCompleted&& other) noexcept : AsCompleted() { swap(other); }
  AsCompleted& operator=(AsCompleted&& other) noexcept {
    AsCompleted taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~AsCompleted() {
    if (!waiter_) return;
    for (const auto& future : pending_) {
      if (!(future == Future<T>())) waiter_->unwatch(future.state());
    }
  }

  iterator begin() { return advance() ? iterator(this) : iterator(); }
  iterator end() const noexcept { return iterator(); }

 private:
  AsCompleted() = default;
  void swap(AsCompleted& other) noexcept {
    std::swap(waiter_, other.waiter_);
    std::swap(pending_, other.pending_);
    std::swap(completed_, other.completed_);
    std::swap(next_, other.next_);
    std::swap(left_, other.left_);
    std::swap(total_, other.total_);
    std::swap(deadline_, other.deadline_);
    std::swap(current_, other.current_);
  }
  bool advance() {
    current_ = Future<T>();
    if (left_ == 0) return false;
    while (next_ == completed_.size()) {
      completed_.clear();
      next_ = 0;
      waiter_->take(completed_);
      if (completed_.empty() && !waiter_->wait(deadline_)) {
        waiter_->take(completed_);
        if (completed_.empty()) {
          throw TimeoutError(std::to_string(left_) + " (of " + std::to_string(total_) + ") futures unfinished");
        }
      }
    }
    current_ = std::exchange(pending_[completed_[next_++]], Future<T>());
    --left_;
    return true;
  }

  std::unique_ptr<detail::Waiter> waiter_;
  std::vector<Future<T>> pending_;
  std::vector<std::size_t> completed_;
  std::size_t next_ = 0;
  std::size_t left_ = 0;
  std::size_t total_ = 0;
  std::optional<Timeout::Clock::time_point> deadline_;
  Future<T> current_;
};

/// Gives each future once, as soon as it completes: `for (Future<T> f : as_completed(futures, 10s))`. It keeps none but
/// the one that its iterator stands at.
/// @param futures any range of Future<T>; each is given once, however often it occurs
/// @param timeout how long all of it may take, counted from this call; default: as long as it takes
/// @return AsCompleted<T>: a range to go through once, and a view: `as_completed(futures) | std::views::take(3)`
/// @throws InvalidStateError for an empty future; from the loop TimeoutError when the time is up: "2 (of 4) futures
///   unfinished". Never a task's exception
/// Thread-safe. Python: `concurrent.futures.as_completed`.
template <std::ranges::input_range Range>
auto as_completed(Range&& futures, Timeout timeout = {})
    -> AsCompleted<typename detail::FutureValue<detail::FutureOf<Range>>::type> {
  using Value = typename detail::FutureValue<detail::FutureOf<Range>>::type;
  return AsCompleted<Value>(detail::distinct_futures(std::forward<Range>(futures)), timeout);
}

}  // namespace rankpool::inline v0_2
