#include <rankpool/detail/submit.hpp>

#include <algorithm>
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
  std::uint64_t got = 0;
  try {
    got = source->read(state->items(), in.lead);
    if (got == in.lead) in.rest = std::move(source);
  } catch (...) {
    in.input_error = std::current_exception();
    got = state->items().size();
  }
  state->items().flush();
  state->appended();
  if (!in.rest) state->input_ended();
  WorkOptions options = work_options(request.each);
  options.items = got;
  options.open = in.rest != nullptr;
  options.chunk = static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk, UINT32_MAX));
  if (options.ranks > 0) options.chunk = 1;
  options.item_bytes = got == 0 ? 0 : static_cast<std::size_t>(state->items().total_bytes() / got);
  if (request.progress) options.label = std::make_shared<WorkLabel>(WorkLabel{request.each.name, request.progress});
  in.control = pool.submit(state, options);
  return in;
}

}  // namespace rankpool::inline v0_2::detail
