#pragma once

#include <rankpool/detail/keep_alives.hpp>
#include <rankpool/detail/pool_client.hpp>
#include <rankpool/detail/task_type.hpp>
#include <rankpool/future.hpp>
#include <rankpool/map_results.hpp>
#include <rankpool/task_options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace rankpool::inline v0_2::detail {

/// What Future and MapResults call a task's result: void is void for the one, std::monostate for the other.
template <class TaskT>
using FutureResult = std::conditional_t<std::is_void_v<typename TaskT::Returned>, void, typename TaskT::Result>;

/// Hands in one task; with `options` one with options of its own. An argument that cannot be encoded fails the
/// future, not the call.
template <class F, class... Args>
auto submit_task(PoolClient& pool, const WorkOptions* options, F&& f, Args&&... args) {
  using T = TaskType<F, Args...>;
  using Result = FutureResult<T>;
  using State = typename Future<Result>::State;
  const Ref<State> state(new State);
  pool.check_open();
  Bytes input;
  try {
    KeepAlives keep_alives;
    const KeepAliveScope scope(keep_alives);
    T::encode_head(input, f);
    const std::size_t head = input.size();
    T::encode_item(input, std::forward<Args>(args)...);
    state->set_input(std::move(input), head, std::move(keep_alives));
  } catch (...) {
    state->set_exception(std::current_exception());
    return Future<Result>(state);
  }
  if (options != nullptr) {
    pool.submit(state, *options);
  } else {
    pool.submit(state);
  }
  return Future<Result>(state);
}

/// How a map is wanted, whichever facade asks.
struct MapRequest {
  std::optional<int> chunksize;
  std::optional<std::uint64_t> buffersize;
  Timeout timeout;
  bool unordered = false;
  std::optional<std::string> progress;
  TaskOptions each = {.ranks = 0};  ///< `ranks` 0: no task of several ranks
};
/// As a task's or an item's options are handed in.
/// @throws std::invalid_argument for what makes no sense
WorkOptions work_options(const TaskOptions& options);

/// Throw std::invalid_argument for a number that is given and wrong.
void check_positive(const std::optional<int>& number, const char* name);
void check_not_negative(const std::optional<int>& number, const char* name);

/// Elements of a range that stand in a row and travel as they are.
template <class T, class Range>
concept Contiguous = std::ranges::contiguous_range<Range> &&
    std::sized_sentinel_for<std::ranges::sentinel_t<Range>, std::ranges::iterator_t<Range>> &&
    T::template takes_as_is<std::remove_reference_t<std::ranges::range_reference_t<Range>>>;

/// Reads ranges in step and encodes what it reads as items of the task. Lvalue ranges are referred to, others are kept.
template <class T, class... Ranges>
class RangeSource final : public MapSource {
 public:
  explicit RangeSource(Ranges&&... ranges) : ranges_(std::forward<Ranges>(ranges)...) {}

  std::uint64_t read(MapItems& to, std::uint64_t items) override {
    return std::apply([&](auto&... range) { return read_from(to, items, range...); }, ranges_);
  }

 private:
  template <class... R>
  std::uint64_t read_from(MapItems& to, std::uint64_t items, R&... range) {
    if (!iterators_) iterators_.emplace(std::ranges::begin(range)...);
    if constexpr ((Contiguous<T, R> && ...)) return read_row(to, items, std::ranges::end(range)...);
    std::uint64_t count = 0;
    if (std::exchange(pending_step_, false)) step();
    while (count < items && !to.piece_is_full()) {
      if (count > 0) step();
      if (std::apply([&](auto&... at) { return ((at == std::ranges::end(range)) || ...); }, *iterators_)) {
        iterators_.reset();
        return count;
      }
      std::apply([&](auto&... at) { append(to, *at...); }, *iterators_);
      ++count;
    }
    // The step to the next element is left to the next call: no element is touched before it is wanted.
    pending_step_ = count > 0;
    return count;
  }
  std::uint64_t read_row(MapItems& to, std::uint64_t items, const auto& end) {
    auto& at = std::get<0>(*iterators_);
    std::uint64_t count = 0;
    while (count < items && at != end && !to.piece_is_full()) {
      const auto left = std::min<std::uint64_t>(items - count, static_cast<std::uint64_t>(end - at));
      const std::span row(std::to_address(at), static_cast<std::size_t>(left));
      const std::size_t part = to.append_row(std::as_bytes(row), T::stride);
      at += static_cast<std::ptrdiff_t>(part);
      count += part;
    }
    return count;
  }
  void step() {
    std::apply([](auto&... at) { (void)(++at, ...); }, *iterators_);
  }
  template <class... V>
  static void append(MapItems& to, V&&... value) {
    const auto encode = [&](Bytes& bytes) { T::encode_item(bytes, std::forward<V>(value)...); };
    if constexpr (T::fixed_arguments) {
      to.append_fixed(T::stride, encode);
    } else {
      to.append(encode, &T::encode_skipped);
    }
  }

  std::tuple<Ranges...> ranges_;
  std::optional<std::tuple<std::ranges::iterator_t<std::remove_reference_t<Ranges>>...>> iterators_;
  bool pending_step_ = false;
};

/// A map that was handed in: what its results are read with.
struct MapHandedIn {
  std::shared_ptr<WorkControl> control;
  std::unique_ptr<MapSource> rest;  ///< of the input; null if it was read as a whole
  std::exception_ptr input_error;
  std::uint64_t lead = 0;
  std::uint64_t chunk = 1;
};
/// Reads the input, as far as is wanted, and hands it in. `head` is what stands before the items of each chunk, and
/// `keep_alives` what it keeps alive.
MapHandedIn hand_in_map(PoolClient& pool, const MapRequest& request, const Ref<MapBase>& state, Bytes head,
                        KeepAlives keep_alives, std::unique_ptr<MapSource> source, std::function<void()> when_complete);

template <class T, class F>
MapResults<typename T::Result> submit_map(PoolClient& pool, const MapRequest& request, const F& f,
                                          std::unique_ptr<MapSource> source, std::function<void()> when_complete = {}) {
  using State = MapState<typename T::Result>;
  const auto deadline = request.timeout.deadline();
  const Ref<State> state(new State(request.unordered));
  Bytes head;
  KeepAlives keep_alives;
  {
    const KeepAliveScope scope(keep_alives);
    T::encode_head(head, f);
  }
  MapHandedIn in = hand_in_map(pool, request, state, std::move(head), std::move(keep_alives), std::move(source),
                               std::move(when_complete));
  return {state, std::move(in.control), std::move(in.rest), std::move(in.input_error), deadline, in.lead, in.chunk};
}

/// The same, and `told` is called on the callback thread once all items have ended.
template <class F, class Range>
auto map_ranges_told(PoolClient& pool, const MapRequest& request, std::function<void()> told, const F& f,
                     Range&& range) {
  using T = TaskType<F, std::ranges::range_reference_t<Range>>;
  pool.check_open();
  return submit_map<T>(pool, request, f, std::make_unique<RangeSource<T, Range>>(std::forward<Range>(range)),
                       std::move(told));
}

/// `map(f, ranges...)`: one task for each step through all of them.
template <class F, class... Ranges>
auto map_ranges(PoolClient& pool, const MapRequest& request, const F& f, Ranges&&... ranges) {
  using T = TaskType<F, std::ranges::range_reference_t<Ranges>...>;
  pool.check_open();
  return submit_map<T>(pool, request, f, std::make_unique<RangeSource<T, Ranges...>>(std::forward<Ranges>(ranges)...));
}

/// A task that is called with the elements of one tuple.
template <class F, class Tuple, class Indices = std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<Tuple>>>>
struct StarTask;
template <class F, class Tuple, std::size_t... I>
struct StarTask<F, Tuple, std::index_sequence<I...>> {
  struct type : TaskType<F, std::tuple_element_t<I, std::remove_cvref_t<Tuple>>...> {
    using Base = TaskType<F, std::tuple_element_t<I, std::remove_cvref_t<Tuple>>...>;
    template <class Given>
    static void encode_item(Bytes& to, Given&& tuple) {
      Base::encode_item(to, std::get<I>(tuple)...);
    }
  };
};

/// What `submit(f, args...)`, `map(f, ranges...)` and `starmap(f, tuples)` give results of.
template <class F, class... Args>
using SubmitResult = FutureResult<TaskType<F, Args...>>;
template <class F, class... Ranges>
using MapResult = typename TaskType<F, std::ranges::range_reference_t<Ranges>...>::Result;
template <class F, class Range>
using StarmapResult = typename StarTask<F, std::ranges::range_reference_t<Range>>::type::Result;

/// `starmap(f, tuples)`.
template <class F, class Range>
auto starmap_range(PoolClient& pool, const MapRequest& request, const F& f, Range&& tuples) {
  using T = typename StarTask<F, std::ranges::range_reference_t<Range>>::type;
  pool.check_open();
  return submit_map<T>(pool, request, f, std::make_unique<RangeSource<T, Range>>(std::forward<Range>(tuples)));
}

/// The same, and `told` is called on the callback thread once all items have ended.
template <class F, class Range>
auto starmap_range_told(PoolClient& pool, const MapRequest& request, std::function<void()> told, const F& f,
                        Range&& tuples) {
  using T = typename StarTask<F, std::ranges::range_reference_t<Range>>::type;
  pool.check_open();
  return submit_map<T>(pool, request, f, std::make_unique<RangeSource<T, Range>>(std::forward<Range>(tuples)),
                       std::move(told));
}

}  // namespace rankpool::inline v0_2::detail
