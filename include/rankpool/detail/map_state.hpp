#pragma once

#include <rankpool/detail/codec.hpp>
#include <rankpool/detail/future_base.hpp>
#include <rankpool/detail/map_input.hpp>
#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/detail/result_store.hpp>
#include <rankpool/timeout.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::inline v0_2::detail {

/// What stands behind MapResults, whatever their type: the encoded items on their way out, and the outcomes on their
/// way in.
///
///     the caller's ranges                                                       MapResults<R>
///          │ MapSource::read                                                         ▲ take, take_values, take_rest
///          ▼                       gather                    values, value          │
///       MapItems ───────────────────────► workers ──────────────────────► ResultStore, problems
///          ▲                                                error, fail              │
///          └───────────────── release: an item's bytes go when it has ended ─────────┘
///
/// | what                      | belongs to       | until                                                           |
/// |---------------------------|------------------|-----------------------------------------------------------------|
/// | an item's bytes           | MapItems         | it has ended and so have all items of its block                 |
/// | an outcome                | ResultStore or problems_ | the reader takes it, or nobody reads any more (`abandon`) |
/// | this object               | reader and engine, counted | both have let go of it                                 |
///
/// The engine thread calls what ResultReceiver demands, which ends items. One other thread, the reader, calls the rest:
/// it appends items and takes outcomes.
class MapBase : public ResultReceiver {
 public:
  struct Skipped {};
  using Problem =
      std::variant<Bytes, FailurePtr, std::exception_ptr, Skipped>;  ///< Bytes: a remote exception; Skipped: cancelled
  struct Outcome {
    std::uint64_t index = 0;
    bool has_value = false;
    Bytes value;  ///< if there is one: as ResultForm says
    std::optional<Problem> problem;
    Outcome();
    Outcome(Outcome&&) noexcept;
    ~Outcome();
    /// True if it has ended: then there is a value or a problem.
    [[nodiscard]] bool ended() const noexcept { return has_value || problem; }
  };

  // -- the reader
  MapItems& items() noexcept { return items_; }

  /// Called after items were appended (with the mutex free): those that failed to be encoded have ended by that.
  void appended();
  /// The pool has ended: whatever is still appended will not be run.
  [[nodiscard]] bool ended_beyond();
  /// Waits until the items that have not ended have no more than so many bytes: false if that lasts longer than
  /// `limit`.
  [[nodiscard]] bool await_fewer_bytes(std::uint64_t most, std::chrono::nanoseconds limit);
  void input_ended();
  /// Calls it once, on the callback thread, when the input has ended and so have all items. To be said before they are
  /// handed in; only for results in order.
  void when_complete(std::function<void()> told);

  enum class Taken : std::uint8_t { outcome, end, timeout };
  /// The next outcome in order (or as they come), if it comes before the deadline.
  Taken take(Outcome& to, const std::optional<Timeout::Clock::time_point>& deadline);
  /// The outcomes of all items that have not been taken; those that have not ended are without one. Nobody may take
  /// anything afterwards.
  std::vector<Outcome> take_rest();
  [[nodiscard]] const std::shared_ptr<MapTally>& tally() const noexcept { return tally_; }
  /// Appends values of fixed size to what `to` points to.
  using Append = void (*)(void* to, std::span<const std::byte> values);
  /// Appends to `to` as many values as there are in a run; false if the next outcome is none, and `take` has to look.
  bool take_values(void* to, Append append, const std::optional<Timeout::Clock::time_point>& deadline);
  [[nodiscard]] std::uint64_t taken();
  [[nodiscard]] std::uint64_t total();
  /// Nobody will take anything any more: what comes is dropped.
  void abandon();

  // -- ResultReceiver: the engine thread
  bool begin(std::uint64_t, std::uint32_t) noexcept override { return true; }
  std::size_t gather(std::uint64_t first, std::uint32_t count, Gather& to) override;
  void values(std::uint64_t first, std::uint32_t count, std::span<const std::byte> bytes) noexcept override;
  void value(std::uint64_t index, Bytes encoded) noexcept override;
  void error(std::uint64_t index, Bytes encoded) noexcept override;
  void skipped(std::uint64_t first, std::uint64_t count) noexcept override;
  void fail(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept override;
  void cancelled(std::uint64_t first, std::uint64_t count) noexcept override;

 protected:
  MapBase(bool unordered, ResultForm form);
  ~MapBase() override;

 private:
  void tell_if_complete() noexcept;
  std::uint64_t next_arrival();
  void take_locked(std::uint64_t index, Outcome& to);
  [[nodiscard]] bool at_end() const noexcept { return sealed_ && cursor_ >= total_; }
  [[nodiscard]] bool enough() const noexcept;
  bool wait_for(std::unique_lock<std::mutex>& lock, std::uint64_t items,
                const std::optional<Timeout::Clock::time_point>& deadline);
  template <class Put>
  void keep(std::uint64_t first, std::uint64_t count, const Put& put) noexcept;
  void end_without_outcome(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept;
  void end_rest(std::uint64_t first, std::uint64_t count, const FailurePtr& why) noexcept;
  bool end_unencoded(std::uint64_t index) noexcept;
  void end_locked(std::uint64_t first, std::uint64_t count, Problem problem) noexcept;
  void ended(std::uint64_t first, std::uint64_t count) noexcept;
  void arrived(std::uint64_t first, std::uint64_t count) noexcept;

  const bool unordered_;
  const std::shared_ptr<MapTally> tally_;
  MapItems items_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All guarded by mutex_.
  ResultStore store_;
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
  bool standing_in_ = false;                    ///< the reader waits in the engine's place
  std::optional<std::uint64_t> bytes_awaited_;  ///< the reader waits for items to have no more
  bool abandoned_ = false;
  std::function<void()> complete_;
};

/// The same for results of one type. All that the type adds is how its values lie in memory.
template <class R>
class MapState final : public MapBase {
 public:
  static constexpr bool fixed = fixed_size<R>;

  explicit MapState(bool unordered) : MapBase(unordered, {fixed ? sizeof(R) : 0, alignof(R)}) {}

  /// Appends to a `std::vector<R>` what stands at `values`.
  static void append_values(void* to, std::span<const std::byte> values) {
    if constexpr (fixed) {
      auto& all = *static_cast<std::vector<R>*>(to);
      const std::size_t count = values.size() / sizeof(R);
      if constexpr (std::is_copy_assignable_v<R> && !std::is_same_v<R, bool>) {
        const R* const first = std::launder(reinterpret_cast<const R*>(values.data()));
        all.insert(all.end(), first, first + count);
      } else {
        for (std::size_t i = 0; i < count; ++i) all.push_back(value_at(values.data() + i * sizeof(R)));
      }
    }
  }
  /// The value that was taken as these bytes.
  static R value_of(const Bytes& value) {
    if constexpr (fixed) {
      return value_at(value.data());
    } else {
      return decode_or_explain<R>(value, "the result");
    }
  }

 private:
  static R value_at(const std::byte* from) {
    return read_plain<R>([&](void* to) { std::memcpy(to, from, sizeof(R)); });
  }
};

}  // namespace rankpool::inline v0_2::detail
