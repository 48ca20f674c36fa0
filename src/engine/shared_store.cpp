#include "engine/shared_store.hpp"

#include <rankpool/detail/shared_link.hpp>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

namespace rankpool::engine {
namespace {

using wire::SharedOp;
using wire::SharedStatus;

template <class T>
void add_number(std::byte* to, const std::byte* summand) {
  T sum;
  T more;
  std::memcpy(&sum, to, sizeof sum);
  std::memcpy(&more, summand, sizeof more);
  sum = static_cast<T>(sum + more);  // integers are unsigned here: they wrap around, as std::atomic's do
  std::memcpy(to, &sum, sizeof sum);
}

/// False if there are no numbers of that kind and size.
bool add_bytes(std::uint8_t kind, std::size_t size, std::byte* to, const std::byte* summand) {
  using detail::NumberKind;
  const auto add = [&]<class... T>(std::type_identity<std::tuple<T...>>) {
    return ((size == sizeof(T) && (add_number<T>(to, summand), true)) || ...);
  };
  switch (NumberKind{kind}) {
    case NumberKind::floating:
      return add(std::type_identity<std::tuple<float, double, long double>>{});
    case NumberKind::integer:  // signed and unsigned sums have the same bits
      return add(std::type_identity<std::tuple<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>>{});
  }
  return false;
}

}  // namespace

void SharedStore::made(std::uint64_t id, detail::Bytes value) { objects_[id].value = std::move(value); }

void SharedStore::made(std::uint64_t id, std::shared_ptr<const process::Blob> blob) {
  objects_[id].blob = std::move(blob);
}

void SharedStore::forgotten(std::uint64_t id) {
  const auto found = objects_.find(id);
  if (found == objects_.end()) return;
  Object object = std::move(found->second);
  objects_.erase(found);
  for (const Waiter& waiter : object.waiters) {
    if (waiter.until) deadlines_.erase({*waiter.until, id, waiter.call});
    refuse(waiter.call, "the lock is gone: its last handle was dropped");
  }
  for (const WorkerId worker : object.users) actions_.emplace_back(ForgetAtWorker{worker, id});
  if (object.blob) actions_.emplace_back(ForgetBlob{id});
}

void SharedStore::called(const SharedCall& call, std::span<const std::byte> request, Time now) {
  const auto header = wire::take_plain<wire::SharedRequest>(request);
  if (!header) return refuse(call, "a request that is none");
  serve(call, *header, request, now);
}

void SharedStore::serve(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
                        Time now) {
  const auto found = objects_.find(request.id);
  if (found == objects_.end()) {
    return refuse(call, "a shared object was used after its last handle on rank 0 had gone");
  }
  Object& object = found->second;
  detail::Bytes& value = object.value;
  switch (request.op) {
    case SharedOp::lock:
      return lock(call, request, object, now);
    case SharedOp::unlock:
      return unlock(call, request, object);
    case SharedOp::blob:
      if (!object.blob) return refuse(call, "a shared object that is no broadcast was used as one");
      if (call.client) object.users.insert(*call.client);
      return actions_.emplace_back(GiveBlob{call, request.id, object.blob}), void();
    default:
      break;
  }
  const std::size_t size = request.op == SharedOp::get        ? 0
                           : request.op == SharedOp::exchange ? 2 * value.size()
                                                              : value.size();
  if (value.empty() || body.size() != size) return refuse(call, "a shared value was used as one of another type");
  switch (request.op) {
    case SharedOp::get:
      return reply(call, SharedStatus::done, value);
    case SharedOp::set:
      std::memcpy(value.data(), body.data(), size);
      return reply(call, SharedStatus::done);
    case SharedOp::add: {
      const detail::Bytes before(value.view());
      if (!add_bytes(request.number_kind, size, value.data(), body.data())) {
        return refuse(call, "a shared value of this type cannot be added to");
      }
      return reply(call, SharedStatus::done, before);
    }
    case SharedOp::exchange:
      if (std::memcmp(value.data(), body.data(), value.size()) != 0) return reply(call, SharedStatus::refused, value);
      std::memcpy(value.data(), body.data() + value.size(), value.size());
      return reply(call, SharedStatus::done);
    default:
      return refuse(call, "a request of an unknown kind");
  }
}

void SharedStore::lock(const SharedCall& call, const wire::SharedRequest& request, Object& object, Time now) {
  const Holder who{call.client, request.thread};
  if (!object.holder) {
    object.holder = who;
    return reply(call, SharedStatus::done);
  }
  if (request.number == 0) return reply(call, SharedStatus::refused);
  Waiter waiter{request.id, who, call, {}};
  if (request.number > 0) {
    waiter.until = request.number > (Time::max() - now).count() ? Time::max() : now + Time(request.number);
    deadlines_.insert({*waiter.until, request.id, call});
  }
  object.waiters.push_back(waiter);
}

void SharedStore::unlock(const SharedCall& call, const wire::SharedRequest& request, Object& object) {
  if (object.holder != Holder{call.client, request.thread}) {
    return refuse(call, "a rankpool::Lock was unlocked by another than its holder", SharedStatus::misuse);
  }
  reply(call, SharedStatus::done);
  pass_on(object);
}

void SharedStore::pass_on(Object& object) {
  object.holder.reset();
  if (object.waiters.empty()) return;
  const Waiter next = object.waiters.front();
  object.waiters.pop_front();
  if (next.until) deadlines_.erase({*next.until, next.id, next.call});
  object.holder = next.who;
  reply(next.call, SharedStatus::done);
}

void SharedStore::client_gone(WorkerId worker) {
  std::erase_if(deadlines_, [&](const auto& deadline) { return std::get<2>(deadline).client == worker; });
  for (auto& [id, object] : objects_) {
    object.users.erase(worker);
    std::erase_if(object.waiters, [&](const Waiter& waiter) { return waiter.call.client == worker; });
    if (object.holder && object.holder->client == worker) pass_on(object);
  }
}

void SharedStore::tick(Time now) {
  while (!deadlines_.empty() && std::get<0>(*deadlines_.begin()) <= now) {
    const auto [until, id, call] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    std::erase_if(objects_.at(id).waiters, [&](const Waiter& waiter) { return waiter.call == call; });
    reply(call, SharedStatus::refused);
  }
}

std::optional<SharedStore::Time> SharedStore::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return std::get<0>(*deadlines_.begin());
}

void SharedStore::take_actions(std::vector<SharedAction>& to) {
  to.clear();
  to.swap(actions_);
}

void SharedStore::reply(const SharedCall& to, SharedStatus status, std::span<const std::byte> body) {
  if (to.number != 0) actions_.emplace_back(SendReply{to, wire::shared_reply(status, body)});
}

void SharedStore::refuse(const SharedCall& to, const std::string& why, SharedStatus status) {
  reply(to, status, std::as_bytes(std::span(why)));
}

}  // namespace rankpool::engine
