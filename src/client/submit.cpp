#include <rankpool/detail/submit.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace rankpool::inline v0_2::detail {

void check_positive(const std::optional<int>& number, const char* name) {
  if (number && *number < 1) throw std::invalid_argument(std::string(name) + " must be greater than 0");
}

void check_not_negative(const std::optional<int>& number, const char* name) {
  if (number && *number < 0) throw std::invalid_argument(std::string(name) + " must not be negative");
}

WorkOptions work_options(const TaskOptions& options) {
  check_not_negative(options.max_retries, "max_retries");
  WorkOptions work;
  work.ranks = options.ranks;
  work.priority = options.priority;
  work.max_retries = options.max_retries;
  if (options.memory && *options.memory == 0) throw std::invalid_argument("memory must be greater than 0");
  work.memory = options.memory;
  work.avoid_ranks = options.avoid_ranks;
  if (options.task_timeout.has_value()) {
    work.task_timeout = options.task_timeout.value();
    if (work.task_timeout->count() <= 0) throw std::invalid_argument("task_timeout must be greater than 0");
  }
  if (!options.name.empty()) work.label = std::make_shared<WorkLabel>(WorkLabel{options.name, std::nullopt});
  return work;
}

namespace {

/// Where workers keep up, no more encoded items than these wait for them: their memory is kept when they have ended
/// (base/runs.cpp), and the next are encoded in it in a third of the time that fresh pages cost.
constexpr std::uint64_t kAhead = std::uint64_t{24} << 20U;
/// Room for some items is waited for at once, since each wait costs a wake-up.
constexpr std::uint64_t kAheadAfterWait = kAhead / 4 * 3;
/// Where they do not, the input is read all the same: the call is to return, and takes so much longer at most.
constexpr std::chrono::milliseconds kWait{2};
constexpr int kWaitsInVain = 5;

/// Reads the input of a map as far as it is wanted at first, a piece at a time.
class MapIntake {
 public:
  MapIntake(MapBase& state, std::unique_ptr<MapSource> source, std::uint64_t wanted)
      : state_(state), source_(std::move(source)), wanted_(wanted) {}

  /// Encodes the next piece; returns how many items it has.
  std::uint64_t next_piece() {
    MapItems& items = state_.items();
    const std::uint64_t before = items.size();
    items.begin_piece();
    try {
      const std::uint64_t got = source_->read(items, wanted_);
      if (got < wanted_ && !items.piece_is_full()) source_.reset();
    } catch (...) {
      error_ = std::current_exception();
      source_.reset();
    }
    items.end_piece();
    items.flush();
    state_.appended();
    if (!source_) state_.input_ended();
    const std::uint64_t got = items.size() - before;
    wanted_ -= got;
    return got;
  }
  /// False when all that is wanted at first has been read.
  [[nodiscard]] bool wants_more() const noexcept { return source_ && wanted_ != 0; }
  /// False when the input has ended.
  [[nodiscard]] bool has_rest() const noexcept { return source_ != nullptr; }
  /// Null if the input has ended.
  [[nodiscard]] std::unique_ptr<MapSource> take_rest() { return std::move(source_); }
  /// What the caller's own input threw.
  [[nodiscard]] std::exception_ptr error() const { return error_; }

 private:
  MapBase& state_;
  std::unique_ptr<MapSource> source_;  ///< null once the input has ended
  std::uint64_t wanted_;
  std::exception_ptr error_;
};

}  // namespace

MapHandedIn hand_in_map(PoolClient& pool, const MapRequest& request, const Ref<MapBase>& state, Bytes head,
                        KeepAlives keep_alives, std::unique_ptr<MapSource> source,
                        std::function<void()> when_complete) {
  if (when_complete) state->when_complete(std::move(when_complete));
  state->items().set_head(std::move(head), std::move(keep_alives));
  const std::uint64_t chunk = request.chunksize    ? static_cast<std::uint64_t>(*request.chunksize)
                              : request.buffersize ? 1
                                                   : 0;
  MapHandedIn in;
  in.lead = request.buffersize ? *request.buffersize * chunk : UINT64_MAX;
  in.chunk = std::max<std::uint64_t>(chunk, 1);
  MapIntake intake(*state, std::move(source), in.lead);
  const std::uint64_t got = intake.next_piece();
  WorkOptions options = work_options(request.each);
  options.items = got;
  options.open = intake.has_rest();
  options.chunk = static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk, UINT32_MAX));
  if (options.ranks > 0) options.chunk = 1;
  options.item_bytes = got == 0 ? 0 : static_cast<std::size_t>(state->items().total_bytes() / got);
  if (request.progress) options.label = std::make_shared<WorkLabel>(WorkLabel{request.each.name, request.progress});
  in.control = pool.submit(state, options);
  for (int in_vain = 0; intake.wants_more();) {
    if (in_vain < kWaitsInVain && state->items().living_bytes() > kAhead &&
        !state->await_fewer_bytes(kAheadAfterWait, kWait)) {
      ++in_vain;
    }
    if (const std::uint64_t more = intake.next_piece(); more != 0) in.control->extend(more);
  }
  if (options.open && !intake.has_rest()) in.control->seal();
  in.input_error = intake.error();
  in.rest = intake.take_rest();
  return in;
}

}  // namespace rankpool::inline v0_2::detail
