#pragma once

#include <rankpool/detail/map_reader.hpp>
#include <rankpool/detail/map_state.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2 {

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
  class Reader : public detail::MapReader {
   public:
    using MapReader::MapReader;

    std::optional<R> current;  ///< what iterators point to

    bool advance() {
      current.reset();
      if (auto one = next({}, false)) current.emplace(std::move(*one));
      return current.has_value();
    }
    std::optional<R> next(const Timeout& timeout, bool counted) {
      const detail::Bytes* const value = MapReader::next(timeout, counted);
      if (value == nullptr) return std::nullopt;
      try {
        return State::value_of(*value);
      } catch (const SerializationError& e) {
        throw_undecodable(e, counted);
      }
    }
    std::vector<R> to_vector(bool counted) {
      std::vector<R> all;
      if (const std::size_t count = expected(); count != 0) {
        all.reserve(count);
        if constexpr (!std::is_same_v<R, bool>) detail::advise_huge(all.data(), all.capacity() * sizeof(R));
      }
      while (true) {
        if (State::fixed && take_values(&all, &State::append_values)) continue;
        auto one = next({}, counted);
        if (!one) return all;
        all.push_back(std::move(*one));
      }
    }
    std::vector<Outcome<R>> outcomes() {
      std::vector<Outcome<R>> all;
      all.reserve(expected());
      MapReader::outcomes(&all, &add_outcome);
      return all;
    }

   private:
    static void add_outcome(void* to, std::uint64_t index, const detail::Bytes* value, std::exception_ptr error) {
      Outcome<R> one{static_cast<std::size_t>(index), std::nullopt, std::move(error)};
      try {
        if (value != nullptr) one.value.emplace(State::value_of(*value));
      } catch (...) {
        one.error = std::current_exception();
      }
      static_cast<std::vector<Outcome<R>>*>(to)->push_back(std::move(one));
    }
  };

  std::unique_ptr<Reader> reader_;
};

}  // namespace rankpool::inline v0_2
