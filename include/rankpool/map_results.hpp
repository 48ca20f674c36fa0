#pragma once

#include <rankpool/detail/map_state.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

namespace detail {

/// Where the items of a map come from: the caller's ranges, read a part at a time by the thread that takes the results.
class MapSource {
 public:
  virtual ~MapSource() = default;
  /// Encodes up to so many further items; returns how many there were. Fewer: the input has ended. What the caller's
  /// own input throws comes out of it after the items before.
  virtual std::uint64_t read(MapItems& to, std::uint64_t items) = 0;
};

}  // namespace detail

/// The results of `map`: a move-only input range, in the order of the input, or as they come with `unordered`.
///
/// A failed item throws when it is reached, and the range can be advanced past it. Destroying it cancels nothing. One
/// thread at a time uses it. Python: the iterator that `Executor.map` and `Pool.imap` return.
template <class R>
class MapResults {
 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using pointer = R*;
    using reference = R&;
    iterator() = default;
    explicit iterator(MapResults* results) : results_(results) {}
    R& operator*() const { return *results_->current_; }
    R* operator->() const { return &*results_->current_; }
    iterator& operator++() {
      results_->advance();
      if (!results_->current_) results_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) { return a.results_ == b.results_; }

   private:
    MapResults* results_ = nullptr;
  };

  MapResults() = default;
  MapResults(MapResults&&) noexcept = default;
  MapResults& operator=(MapResults&& other) noexcept {
    if (this != &other) {
      abandon();
      state_ = std::move(other.state_);
      control_ = std::move(other.control_);
      source_ = std::move(other.source_);
      input_error_ = std::exchange(other.input_error_, nullptr);
      deadline_ = other.deadline_;
      lead_ = other.lead_;
      chunk_ = other.chunk_;
      ended_ = std::exchange(other.ended_, true);
      current_ = std::move(other.current_);
    }
    return *this;
  }
  ~MapResults() { abandon(); }

  /// The next result, or nothing at the end. Waits as long as it takes, or until the timeout, and then loses nothing.
  /// @throws the item's exception; TimeoutError; the exception of the caller's own input
  std::optional<R> next(Timeout timeout = {}) {
    if (ended_ || !state_) return std::nullopt;
    refill();
    auto until = timeout.deadline();
    const bool whole = deadline_ && (!until || *deadline_ <= *until);
    if (whole) until = deadline_;
    typename State::Outcome outcome;
    switch (state_->take(outcome, until)) {
      case State::Taken::end:
        control_->await_last_line();
        end_range();
        return std::nullopt;
      case State::Taken::timeout:
        if (whole) {
          close();
          throw TimeoutError("the results were not complete within the timeout of the map");
        }
        throw TimeoutError();
      case State::Taken::outcome:
        break;
    }
    if (outcome.problem) throw_problem(*outcome.problem);
    if constexpr (detail::ResultStore<R>::fixed) {
      return std::move(*outcome.value);
    } else {
      return detail::decode_or_explain<R>(*outcome.value, "the result");
    }
  }
  /// Calls `next`; may be called again to go on after an exception.
  iterator begin() {
    advance();
    return current_ ? iterator(this) : iterator();
  }
  iterator end() const noexcept { return iterator(); }

  /// The rest. The first failed item throws, and the range then stands behind it.
  std::vector<R> to_vector() {
    std::vector<R> all;
    if (state_ && !ended_ && !source_) {
      all.reserve(static_cast<std::size_t>(state_->total() - state_->taken()));
      if constexpr (!std::is_same_v<R, bool>) detail::advise_huge(all.data(), all.capacity() * sizeof(R));
    }
    while (true) {
      if (!ended_ && state_ && !source_ && state_->take_values(all, deadline_)) continue;
      auto one = next();
      if (!one) return all;
      all.push_back(std::move(*one));
    }
  }
  /// True once the range is at its end.
  [[nodiscard]] bool finished() const noexcept { return ended_; }
  /// Cancels what has not begun, and ends the range.
  void close() {
    if (ended_ || !state_) return;
    control_->cancel();
    input_error_ = nullptr;
    end_range();
  }

  // For the library's own use.
  using State = detail::MapState<R>;
  MapResults(detail::Ref<State> state, std::shared_ptr<detail::WorkControl> control,
             std::unique_ptr<detail::MapSource> source, std::exception_ptr input_error,
             std::optional<Timeout::Clock::time_point> deadline, std::uint64_t lead, std::uint64_t chunk)
      : state_(std::move(state)),
        control_(std::move(control)),
        source_(std::move(source)),
        input_error_(std::move(input_error)),
        deadline_(deadline),
        lead_(lead),
        chunk_(chunk),
        ended_(false) {}

 private:
  void advance() {
    current_.reset();
    current_ = next();
  }
  /// Reads on, in whole chunks, so that `lead_` items are read beyond what was handed out.
  void refill() {
    if (!source_) return;
    // One item is about to be handed out.
    const std::uint64_t handed_out = state_->taken() + (started_ ? 1 : 0);
    started_ = true;
    const std::uint64_t read = state_->items().size();
    if (read >= handed_out + lead_) return;
    std::uint64_t wanted = (handed_out + lead_ - read) / chunk_ * chunk_;
    if (wanted == 0) return;
    // One more item tells that the rest is not run; an endless input would never end telling it.
    const bool last = state_->ended_beyond();
    if (last) wanted = 1;
    std::uint64_t got = 0;
    try {
      got = source_->read(state_->items(), wanted);
    } catch (...) {
      got = state_->items().size() - read;
      input_error_ = std::current_exception();
      source_.reset();
    }
    state_->items().flush();
    if (last || got < wanted) source_.reset();
    state_->appended();
    if (got > 0) control_->extend(got);
    if (!source_) {
      state_->input_ended();
      control_->seal();
    }
  }
  void end_range() {
    ended_ = true;
    if (source_) {
      source_.reset();
      control_->seal();
    }
    abandon();
    if (auto error = std::exchange(input_error_, nullptr)) std::rethrow_exception(error);
  }
  void abandon() noexcept {
    if (source_ && control_) control_->seal();
    source_.reset();
    if (state_) state_->abandon();
    state_ = {};
    control_.reset();
  }
  [[noreturn]] static void throw_problem(typename State::Problem& problem) {
    if (auto* remote = std::get_if<detail::Bytes>(&problem)) std::rethrow_exception(detail::decode_exception(*remote));
    if (auto* failure = std::get_if<detail::FailurePtr>(&problem)) std::rethrow_exception((*failure)->exception());
    if (auto* error = std::get_if<std::exception_ptr>(&problem)) std::rethrow_exception(*error);
    throw CancelledError();
  }

  detail::Ref<State> state_;
  std::shared_ptr<detail::WorkControl> control_;
  std::unique_ptr<detail::MapSource> source_;
  std::exception_ptr input_error_;
  std::optional<Timeout::Clock::time_point> deadline_;
  std::uint64_t lead_ = 0;
  std::uint64_t chunk_ = 1;
  bool ended_ = true;
  bool started_ = false;
  std::optional<R> current_;
};

}  // namespace rankpool::inline v0_2
