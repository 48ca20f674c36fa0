#include "worker/shared_access.hpp"

#include <stdexcept>
#include <utility>

namespace rankpool::worker {

detail::Bytes SharedAccess::ask(std::span<const std::byte> request) {
  auto served = serve_here(request);
  return served ? std::move(*served) : side_.ask(request);
}

std::optional<detail::Bytes> SharedAccess::serve_here(std::span<const std::byte> request) {
  auto body = request;
  const auto header = *wire::take_plain<wire::SharedRequest>(body);
  if (header.op > wire::SharedOp::exchange) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(header.id);
  if (found == held_.end() || found->second.thread != header.thread || found->second.value.empty()) {
    return std::nullopt;
  }
  Held& held = found->second;
  held.changed = held.changed || header.op != wire::SharedOp::get;
  return wire::serve_value(header, body, {held.value.data(), held.value.size()});
}

void SharedAccess::locked(const wire::SharedRequest& request, std::span<const std::byte> value) {
  const std::lock_guard lock(mutex_);
  held_[request.id] = {request.thread, detail::Bytes(value), false};
}

void SharedAccess::unlock(const wire::SharedRequest& request) {
  detail::Bytes asked(std::as_bytes(std::span(&request, 1)));
  {
    // A worker knows what it holds, and so need not wait for the answer.
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(request.id);
    if (found == held_.end() || found->second.thread != request.thread) {
      throw std::logic_error("a rankpool::Lock was unlocked by another than its holder");
    }
    const Held& held = found->second;
    if (held.changed) asked.append(held.value.data(), held.value.size());
    held_.erase(found);
  }
  side_.tell(asked);
}

}  // namespace rankpool::worker
