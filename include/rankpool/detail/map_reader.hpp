#pragma once

#include <rankpool/detail/map_state.hpp>
#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/errors.hpp>
#include <rankpool/timeout.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace rankpool::inline v0_2::detail {

/// Where the items of a map come from: the caller's ranges, read a part at a time by the thread that takes the results.
class MapSource {
 public:
  virtual ~MapSource() = default;
  /// Encodes up to so many further items; returns how many there were. Fewer: the input has ended, or the piece that
  /// was begun of them is full. What the caller's own input throws comes out of it after the items before.
  virtual std::uint64_t read(MapItems& to, std::uint64_t items) = 0;
};

/// Where the reading of a map's results stands, whatever their type. One thread at a time uses it.
class MapReader {
 public:
  MapReader(Ref<MapBase> state, std::shared_ptr<WorkControl> control, std::unique_ptr<MapSource> source,
            std::exception_ptr input_error, std::optional<Timeout::Clock::time_point> deadline, std::uint64_t lead,
            std::uint64_t chunk);
  MapReader(const MapReader&) = delete;
  MapReader& operator=(const MapReader&) = delete;
  ~MapReader();

  [[nodiscard]] bool finished() const noexcept { return !state_; }
  /// The next value, good until the next call; null at the end. Throws what MapResults::next throws. `counted`: the
  /// text of an item's exception says how many others failed.
  const Bytes* next(const Timeout& timeout, bool counted);
  /// To be called for a value that could not be decoded.
  [[noreturn]] void throw_undecodable(const SerializationError& error, bool counted) const;
  /// How many outcomes are still to be taken, or 0 if that is not known.
  [[nodiscard]] std::size_t expected() const;
  /// Appends a run of values if there is one: MapBase::take_values.
  bool take_values(void* to, MapBase::Append append);
  /// Told one outcome; `value` is null if there is none.
  using Add = void (*)(void* to, std::uint64_t index, const Bytes* value, std::exception_ptr error);
  /// All outcomes of the rest.
  void outcomes(void* to, Add add);
  void close();

 private:
  bool take(const Timeout& timeout);
  void refill();
  std::exception_ptr leave();
  void abandon() noexcept;
  [[nodiscard]] std::string note(bool counted) const;
  std::exception_ptr error_of(MapBase::Problem& problem, bool counted) const;
  void tell(MapBase::Outcome& outcome, void* to, Add add) const;

  Ref<MapBase> state_;  ///< null at the end
  std::shared_ptr<WorkControl> control_;
  std::unique_ptr<MapSource> source_;  ///< null once the input has ended
  std::exception_ptr input_error_;
  const std::optional<Timeout::Clock::time_point> deadline_;
  const std::uint64_t lead_;
  const std::uint64_t chunk_;
  MapBase::Outcome outcome_;  ///< the one taken last: the room of its value is used again
};

}  // namespace rankpool::inline v0_2::detail
