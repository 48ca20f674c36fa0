#include <rankpool/detail/exception_trace.hpp>

#include "codec/exception_text.hpp"

#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/errors.hpp>

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace rankpool::inline v0_2::detail {
namespace {

struct Traces {
  std::shared_mutex mutex;
  std::unordered_map<const void*, Trace> all;
};
Traces& traces() {
  static Traces* const instance = new Traces;  // used by static objects before and after main
  return *instance;
}

Trace trace_of(const void* object) {
  auto& known = traces();
  const std::shared_lock lock(known.mutex);
  const auto found = known.all.find(object);
  return found == known.all.end() ? Trace() : found->second;
}

template <class E>
std::exception_ptr made(E error, const MapTallyPtr& map) {
  return map ? make_traced(std::move(error), Trace{"", map}) : std::make_exception_ptr(std::move(error));
}

}  // namespace

void remember_trace(const void* address, Trace trace) {
  auto& known = traces();
  const std::unique_lock lock(known.mutex);
  known.all[address] = std::move(trace);
}

void forget_trace(const void* address) noexcept {
  auto& known = traces();
  const std::unique_lock lock(known.mutex);
  known.all.erase(address);
}

std::string failed_beside(const MapTally& map) {
  const std::uint64_t ended = map.ended.load();
  const std::uint64_t failed = map.failed.load();
  if (failed < 2) return "";
  std::string text = failed == 2 ? "1 other item" : std::to_string(failed - 1) + " other items";
  text += ended < map.known.load() ? (failed == 2 ? " has failed so far" : " have failed so far") : " failed, too";
  return text;
}

std::string failed_beside(const std::exception_ptr& error) {
  const Trace trace = trace_of(exception_object(error));
  return trace.map ? failed_beside(*trace.map) : "";
}

std::exception_ptr Failure::exception(const MapTallyPtr& map, const std::string& note) const {
  const std::string what = text + note;
  switch (kind) {
    case Kind::broken:
      return made(BrokenProcessPool(what, causes), map);
    case Kind::terminated_worker:
      return made(TerminatedWorkerError(what, causes), map);
    case Kind::task_timeout:
      return made(TaskTimeoutError(what), map);
    case Kind::shut_down:
      return made(ShutdownError(what), map);
    case Kind::error:
      return std::make_exception_ptr(Error(text));
    case Kind::serialization:
      return made(SerializationError(what), map);
  }
  return made(Error(what), map);
}

}  // namespace rankpool::inline v0_2::detail

namespace rankpool::inline v0_2 {

std::string remote_traceback(const std::exception& error) {
  return detail::trace_of(dynamic_cast<const void*>(&error)).text;
}

std::string remote_traceback(const std::exception_ptr& error) {
  return error ? detail::trace_of(detail::exception_object(error)).text : std::string();
}

}  // namespace rankpool::inline v0_2
