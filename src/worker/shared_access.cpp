#include "worker/shared_access.hpp"

#include "base/forked_copy.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

namespace rankpool::worker {
namespace {

channel::Lease::Time now() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

}  // namespace

detail::Bytes SharedAccess::ask(std::span<const std::byte> request) {
  auto served = serve_here(request);
  return served ? std::move(*served) : side_.ask(request);
}

std::optional<detail::Bytes> SharedAccess::serve_here(std::span<const std::byte> request) {
  auto body = request;
  const auto header = *wire::take_plain<wire::SharedRequest>(body);
  if (header.op == wire::SharedOp::lock) return take_on_lease(header);
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

std::optional<detail::Bytes> SharedAccess::take_on_lease(const wire::SharedRequest& request) {
  if (base::is_forked_copy()) return std::nullopt;  // it has no channel
  const std::lock_guard lock(mutex_);
  for (channel::Lease& lease : side_.leases()) {
    if (lease.take(request.id)) return wire::shared_reply(wire::SharedStatus::done, lease.value());
  }
  return std::nullopt;
}

void SharedAccess::locked(const wire::SharedRequest& request, std::span<const std::byte> value) {
  const std::lock_guard lock(mutex_);
  Held& held = held_[request.id] = {request.thread, detail::Bytes(value), false, nullptr, 0, {}};
  for (channel::Lease& lease : side_.leases()) {
    held.hold = lease.hold_of(request.id);
    if (held.hold == 0) continue;
    held.lease = &lease;
    held.since = now();
    return;
  }
}

void SharedAccess::unlock(const wire::SharedRequest& request) {
  // A worker knows what it holds, and so need not wait for the answer.
  if (const auto told = give_back(request)) side_.tell(*told);
}

std::optional<detail::Bytes> SharedAccess::give_back(const wire::SharedRequest& request) {
  detail::Bytes told(std::as_bytes(std::span(&request, 1)));
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(request.id);
  if (found == held_.end() || found->second.thread != request.thread) {
    throw std::logic_error("a rankpool::Lock was unlocked by another than its holder");
  }
  const Held held = std::move(found->second);
  held_.erase(found);
  const auto changed = held.changed ? held.value.view() : std::span<const std::byte>();
  if (held.lease == nullptr) {
    told.append(changed.data(), changed.size());
  } else if (base::is_forked_copy() ||
             held.lease->give_back(held.hold, changed, held.since, now()) != channel::Lease::Given::to_be_told) {
    return std::nullopt;
  }
  return told;
}

}  // namespace rankpool::worker
