#include <rankpool/detail/map_reader.hpp>

#include <rankpool/detail/exception_codec.hpp>
#include <rankpool/detail/exception_trace.hpp>

#include <utility>

namespace rankpool::inline v0_2::detail {
namespace {

constexpr const char* kMapTimeout = "the results were not complete within the timeout of the map";

}  // namespace

MapReader::MapReader(Ref<MapBase> state, std::shared_ptr<WorkControl> control, std::unique_ptr<MapSource> source,
                     std::exception_ptr input_error, std::optional<Timeout::Clock::time_point> deadline,
                     std::uint64_t lead, std::uint64_t chunk)
    : state_(std::move(state)),
      control_(std::move(control)),
      source_(std::move(source)),
      input_error_(std::move(input_error)),
      deadline_(deadline),
      lead_(lead),
      chunk_(chunk) {}

MapReader::~MapReader() { abandon(); }

const Bytes* MapReader::next(const Timeout& timeout, bool counted) {
  if (!take(timeout)) return nullptr;
  if (auto problem = std::exchange(outcome_.problem, std::nullopt)) {
    std::rethrow_exception(error_of(*problem, counted));
  }
  return &outcome_.value;
}

void MapReader::throw_undecodable(const SerializationError& error, bool counted) const {
  ++state_->tally()->failed;
  std::rethrow_exception(make_traced(SerializationError(error.what() + note(counted)), {"", state_->tally()}));
}

std::size_t MapReader::expected() const {
  return state_ && !source_ ? static_cast<std::size_t>(state_->total() - state_->taken()) : 0;
}

bool MapReader::take_values(void* to, MapBase::Append append) {
  return state_ && !source_ && state_->take_values(to, append, deadline_);
}

void MapReader::outcomes(void* to, Add add) {
  std::exception_ptr input_error;
  std::uint64_t read = 0;
  while (state_) {
    refill();
    read = state_->items().size();
    switch (state_->take(outcome_, deadline_)) {
      case MapBase::Taken::outcome:
        tell(outcome_, to, add);
        break;
      case MapBase::Taken::timeout:
        control_->cancel();
        for (auto& each : state_->take_rest()) tell(each, to, add);
        input_error = leave();
        break;
      case MapBase::Taken::end:
        control_->await_last_line();
        input_error = leave();
        break;
    }
  }
  if (input_error) add(to, read, nullptr, std::move(input_error));
}

void MapReader::close() {
  if (!state_) return;
  control_->cancel();
  (void)leave();
}

/// The next outcome; false at the end.
bool MapReader::take(const Timeout& timeout) {
  if (!state_) return false;
  refill();
  auto until = timeout.deadline();
  const bool whole = deadline_ && (!until || *deadline_ <= *until);
  if (whole) until = deadline_;
  switch (state_->take(outcome_, until)) {
    case MapBase::Taken::outcome:
      return true;
    case MapBase::Taken::end:
      control_->await_last_line();
      if (const auto error = leave()) std::rethrow_exception(error);
      return false;
    case MapBase::Taken::timeout:
      break;
  }
  if (!whole) throw TimeoutError();
  close();
  throw TimeoutError(kMapTimeout);
}

/// Reads a chunk before the first result of each is handed out, so that `lead_` items are read beyond those of the
/// chunk that is being handed out.
void MapReader::refill() {
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
std::exception_ptr MapReader::leave() {
  abandon();
  return std::exchange(input_error_, nullptr);
}

void MapReader::abandon() noexcept {
  if (source_ && control_) control_->seal();
  source_.reset();
  if (state_) state_->abandon();
  state_ = {};
  control_.reset();
}

std::string MapReader::note(bool counted) const {
  const std::string others = counted ? failed_beside(*state_->tally()) : std::string();
  return others.empty() ? others : " (" + others + ")";
}

/// What to throw for an item that has no value. `counted`: its text says how many others failed.
std::exception_ptr MapReader::error_of(MapBase::Problem& problem, bool counted) const {
  const auto& map = state_->tally();
  if (const auto* remote = std::get_if<Bytes>(&problem)) return decode_exception(*remote, map, note(counted));
  if (const auto* failure = std::get_if<FailurePtr>(&problem)) return (*failure)->exception(map, note(counted));
  if (const auto* error = std::get_if<std::exception_ptr>(&problem)) return *error;
  return make_traced(CancelledError(CancelledError().what() + note(counted)), {"", map});
}

void MapReader::tell(MapBase::Outcome& outcome, void* to, Add add) const {
  std::exception_ptr error;
  try {
    if (outcome.problem) error = error_of(*outcome.problem, false);
    if (!outcome.ended()) error = std::make_exception_ptr(TimeoutError(kMapTimeout));
  } catch (...) {
    error = std::current_exception();
  }
  add(to, outcome.index, outcome.has_value ? &outcome.value : nullptr, std::move(error));
}

}  // namespace rankpool::inline v0_2::detail
