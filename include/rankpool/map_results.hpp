#pragma once

#include <rankpool/detail/map_state.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
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

/// How one item of a map ended: with a value, or with an exception.
template <class R>
struct Outcome {
  std::size_t index = 0;     ///< of the item in the input, counted from 0
  std::optional<R> value;    ///< what the task returned; `std::monostate` for void. Empty if it failed
  std::exception_ptr error;  ///< why there is no value; null if there is one
};

/// The results of `map`: a move-only input range, in the order of the input, or as they come with `unordered`.
///
/// A failed item throws when it is reached, and the range can be advanced past it. Destroying it cancels nothing. One
/// thread at a time uses it. A range that was moved from is at its end, and iterators go with what was moved.
/// Python: the iterator that `Executor.map` and `Pool.imap` return.
template <class R>
class MapResults {
  class Reader;

 public:
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using pointer = R*;
    using reference = R&;
    iterator() = default;
    R& operator*() const { return *reader_->current; }
    R* operator->() const { return std::addressof(*reader_->current); }
    iterator& operator++() {
      if (!reader_->advance()) reader_ = nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& a, const iterator& b) { return a.reader_ == b.reader_; }

   private:
    friend class MapResults;
    explicit iterator(Reader* reader) : reader_(reader) {}
    Reader* reader_ = nullptr;
  };

  MapResults() = default;

  /// The next result, or nothing at the end. Waits as long as it takes, or until the timeout, and then loses nothing.
  /// With `buffersize` the first result of each chunk reads one more chunk of the input before.
  /// @throws the item's exception; TimeoutError, after which the range goes on if it was this call's timeout and is at
  ///   its end if it was the map's; the exception of the caller's own input
  std::optional<R> next(Timeout timeout = {}) { return reader_ ? reader_->next(timeout, false) : std::nullopt; }
  /// Does what `next` does, and so does `++`; may be called again to go on after an exception.
  iterator begin() { return reader_ && reader_->advance() ? iterator(reader_.get()) : iterator(); }
  iterator end() const noexcept { return iterator(); }

  /// The rest, if every item of it has a value. To keep the values though some items fail, use `outcomes`.
  /// @throws what `next` throws: the exception of the first item that failed, whose text says, where a text can be
  /// given
  ///   to it, how many others have failed. The values before it are lost, and the range stands behind it
  std::vector<R> to_vector() { return reader_ ? reader_->to_vector(true) : std::vector<R>(); }
  /// How each item of the rest ended, in the order of the input, or with `unordered` as they came. Does not throw for
  /// items: those that failed, were cancelled or were lost with their worker have their exception in place of a value.
  /// If the map's timeout passes, those that have not ended have TimeoutError, and the range is at its end. If the
  /// caller's own input throws, that exception stands last, with the number of the item that could not be read.
  std::vector<Outcome<R>> outcomes() { return reader_ ? reader_->outcomes() : std::vector<Outcome<R>>(); }
  /// True once the range is at its end.
  [[nodiscard]] bool finished() const noexcept { return !reader_ || reader_->finished(); }
  /// Cancels what has not begun, and ends the range.
  void close() {
    if (reader_) reader_->close();
  }

  // For the library's own use.
  using State = detail::MapState<R>;
  MapResults(detail::Ref<State> state, std::shared_ptr<detail::WorkControl> control,
             std::unique_ptr<detail::MapSource> source, std::exception_ptr input_error,
             std::optional<Timeout::Clock::time_point> deadline, std::uint64_t lead, std::uint64_t chunk)
      : reader_(std::make_unique<Reader>(std::move(state), std::move(control), std::move(source),
                                         std::move(input_error), deadline, lead, chunk)) {}
  /// `to_vector`, with the text of what is thrown as it is.
  std::vector<R> to_vector_as_thrown() { return reader_ ? reader_->to_vector(false) : std::vector<R>(); }

 private:
  /// Where the reading stands. It stays where it is when the results are moved.
  class Reader {
   public:
    Reader(detail::Ref<State> state, std::shared_ptr<detail::WorkControl> control,
           std::unique_ptr<detail::MapSource> source, std::exception_ptr input_error,
           std::optional<Timeout::Clock::time_point> deadline, std::uint64_t lead, std::uint64_t chunk)
        : state_(std::move(state)),
          control_(std::move(control)),
          source_(std::move(source)),
          input_error_(std::move(input_error)),
          deadline_(deadline),
          lead_(lead),
          chunk_(chunk) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { abandon(); }

    std::optional<R> current;  ///< what iterators point to

    [[nodiscard]] bool finished() const noexcept { return !state_; }
    bool advance() {
      current.reset();
      if (auto one = next({}, false)) current.emplace(std::move(*one));
      return current.has_value();
    }
    std::optional<R> next(Timeout timeout, bool counted) {
      typename State::Outcome outcome;
      if (!take(outcome, timeout)) return std::nullopt;
      if (outcome.problem) std::rethrow_exception(error_of(*outcome.problem, counted));
      try {
        return value_of(*outcome.value);
      } catch (const SerializationError& e) {
        throw_undecodable(e, counted);
      }
    }
    std::vector<R> to_vector(bool counted) {
      std::vector<R> all;
      if (state_ && !source_) {
        all.reserve(static_cast<std::size_t>(state_->total() - state_->taken()));
        if constexpr (!std::is_same_v<R, bool>) detail::advise_huge(all.data(), all.capacity() * sizeof(R));
      }
      while (true) {
        if (state_ && !source_ && state_->take_values(all, deadline_)) continue;
        auto one = next({}, counted);
        if (!one) return all;
        all.push_back(std::move(*one));
      }
    }
    std::vector<Outcome<R>> outcomes() {
      std::vector<Outcome<R>> all;
      if (!state_) return all;
      if (!source_) all.reserve(static_cast<std::size_t>(state_->total() - state_->taken()));
      const auto add = [&](typename State::Outcome& outcome) {
        Outcome<R> one{static_cast<std::size_t>(outcome.index), std::nullopt, nullptr};
        try {
          if (outcome.problem) one.error = error_of(*outcome.problem, false);
          if (outcome.value) one.value.emplace(value_of(*outcome.value));
          if (!outcome.ended()) one.error = std::make_exception_ptr(TimeoutError(kMapTimeout));
        } catch (...) {
          one.error = std::current_exception();
        }
        all.push_back(std::move(one));
      };
      std::exception_ptr input_error;
      std::uint64_t read = 0;
      typename State::Outcome outcome;
      while (state_) {
        refill();
        read = state_->items().size();
        switch (state_->take(outcome, deadline_)) {
          case State::Taken::outcome:
            add(outcome);
            break;
          case State::Taken::timeout:
            control_->cancel();
            for (auto& each : state_->take_rest()) add(each);
            input_error = leave();
            break;
          case State::Taken::end:
            control_->await_last_line();
            input_error = leave();
            break;
        }
      }
      if (input_error) all.push_back({static_cast<std::size_t>(read), std::nullopt, std::move(input_error)});
      return all;
    }
    void close() {
      if (!state_) return;
      control_->cancel();
      (void)leave();
    }

   private:
    static constexpr const char* kMapTimeout = "the results were not complete within the timeout of the map";

    /// The next outcome; false at the end.
    bool take(typename State::Outcome& outcome, const Timeout& timeout) {
      if (!state_) return false;
      refill();
      auto until = timeout.deadline();
      const bool whole = deadline_ && (!until || *deadline_ <= *until);
      if (whole) until = deadline_;
      switch (state_->take(outcome, until)) {
        case State::Taken::outcome:
          return true;
        case State::Taken::end:
          control_->await_last_line();
          if (const auto error = leave()) std::rethrow_exception(error);
          return false;
        case State::Taken::timeout:
          break;
      }
      if (!whole) throw TimeoutError();
      close();
      throw TimeoutError(kMapTimeout);
    }
    /// Reads a chunk before the first result of each is handed out, so that `lead_` items are read beyond those of the
    /// chunk that is being handed out.
    void refill() {
      if (!source_) return;
      const std::uint64_t read = state_->items().size();
      const std::uint64_t wanted_in_all = (state_->taken() / chunk_ + 1) * chunk_ + lead_;
      if (read >= wanted_in_all) return;
      std::uint64_t wanted = wanted_in_all - read;
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
    /// Ends the range; gives the exception of the caller's own input, if there was one.
    std::exception_ptr leave() {
      abandon();
      return std::exchange(input_error_, nullptr);
    }
    void abandon() noexcept {
      if (source_ && control_) control_->seal();
      source_.reset();
      if (state_) state_->abandon();
      state_ = {};
      control_.reset();
    }

    static R value_of(typename detail::ResultStore<R>::Cell& cell) {
      if constexpr (detail::ResultStore<R>::fixed) {
        return cell.value();
      } else {
        return detail::decode_or_explain<R>(cell, "the result");
      }
    }
    [[nodiscard]] std::string note(bool counted) const {
      const std::string others = counted ? detail::failed_beside(*state_->tally()) : std::string();
      return others.empty() ? others : " (" + others + ")";
    }
    /// What to throw for an item that has no value. `counted`: its text says how many others failed.
    std::exception_ptr error_of(typename State::Problem& problem, bool counted) const {
      const auto& map = state_->tally();
      if (const auto* remote = std::get_if<detail::Bytes>(&problem)) {
        return detail::decode_exception(*remote, map, note(counted));
      }
      if (const auto* failure = std::get_if<detail::FailurePtr>(&problem)) {
        return (*failure)->exception(map, note(counted));
      }
      if (const auto* error = std::get_if<std::exception_ptr>(&problem)) return *error;
      return detail::make_traced(CancelledError(CancelledError().what() + note(counted)), {"", map});
    }
    [[noreturn]] void throw_undecodable(const SerializationError& error, bool counted) const {
      ++state_->tally()->failed;
      std::rethrow_exception(
          detail::make_traced(SerializationError(error.what() + note(counted)), {"", state_->tally()}));
    }

    detail::Ref<State> state_;  ///< null at the end
    std::shared_ptr<detail::WorkControl> control_;
    std::unique_ptr<detail::MapSource> source_;  ///< null once the input has ended
    std::exception_ptr input_error_;
    const std::optional<Timeout::Clock::time_point> deadline_;
    const std::uint64_t lead_;
    const std::uint64_t chunk_;
  };

  std::unique_ptr<Reader> reader_;
};

}  // namespace rankpool::inline v0_2
