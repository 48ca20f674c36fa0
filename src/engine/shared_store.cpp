#include "engine/shared_store.hpp"

#include "base/pace.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace rankpool::engine {
using wire::SharedOp;
using wire::SharedStatus;

void SharedStore::made(std::uint64_t id, detail::Bytes value) { objects_[id].value = std::move(value); }

void SharedStore::made(std::uint64_t id, std::shared_ptr<const channel::Blob> blob) {
  objects_[id].blob = std::move(blob);
}

void SharedStore::made_queue(std::uint64_t id, std::uint64_t maxsize) {
  objects_[id].queue.emplace(Queue{maxsize, {}});
}

void SharedStore::forgotten(std::uint64_t id) {
  const auto found = objects_.find(id);
  if (found == objects_.end()) return;
  end_keeping(id, found->second);
  if (found->second.lent) break_lease(id, found->second);
  Object object = std::move(found->second);
  objects_.erase(found);
  for (const Waiter& waiter : object.waiters) {
    if (waiter.until) deadlines_.erase({*waiter.until, id, waiter.call});
    refuse(waiter.call, object.queue ? "the queue is gone: its last handle was dropped"
                                     : "the lock is gone: its last handle was dropped");
  }
  for (const WorkerId worker : object.users) actions_.emplace_back(ForgetAtWorker{worker, id});
  if (object.blob) actions_.emplace_back(ForgetBlob{id});
}

void SharedStore::called(const SharedCall& call, std::span<const std::byte> request, Time now) {
  const auto header = wire::take_plain<wire::SharedRequest>(request);
  now_ = now;
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
  const bool for_queues = request.op == SharedOp::put || request.op == SharedOp::take;
  if (object.queue.has_value() != for_queues) {
    return refuse(
        call, for_queues ? "a shared object that is no queue was used as one" : "a queue was used as something else");
  }
  if (object.kept_until) {
    end_keeping(request.id, object);
    if (request.op != SharedOp::lock || call.client != object.runner) pass_on(request.id, object);
  }
  if (object.lent && serve_lent(call, request, object)) return;
  serve_at_home(call, request, body, object, now);
  await_lease(request.id, object);
}

void SharedStore::serve_at_home(const SharedCall& call, const wire::SharedRequest& request,
                                std::span<const std::byte> body, Object& object, Time now) {
  switch (request.op) {
    case SharedOp::put:
      return put(call, request, body, object, now);
    case SharedOp::take:
      return take(call, request, object, now);
    case SharedOp::lock:
      return lock(call, request, object, now);
    case SharedOp::unlock:
      return unlock(call, request, body, object, now);
    case SharedOp::blob:
      if (!object.blob) return refuse(call, "a shared object that is no broadcast was used as one");
      if (call.client) object.users.insert(*call.client);
      actions_.emplace_back(GiveBlob{call, request.id, object.blob});
      return;
    default:
      break;
  }
  if (object.holder && object.holder != Holder{call.client, request.thread}) {
    object.waiters.push_back({call, request, detail::Bytes(body), {}});
    return;
  }
  reply(call, wire::serve_value(request, body, {object.value.data(), object.value.size()}));
}

void SharedStore::lock(const SharedCall& call, const wire::SharedRequest& request, Object& object, Time now) {
  if (!object.holder) return give_lock(request.id, object, {call.client, request.thread}, call);
  await(call, request, {}, object, now);
}

void SharedStore::await(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
                        Object& object, Time now) {
  if (request.number == 0) return reply(call, wire::shared_reply(SharedStatus::refused));
  Waiter waiter{call, request, detail::Bytes(body), {}};
  if (request.number > 0) {
    waiter.until = request.number > (Time::max() - now).count() ? Time::max() : now + Time(request.number);
    deadlines_.insert({*waiter.until, request.id, call});
  }
  object.waiters.push_back(std::move(waiter));
}

SharedStore::Waiter SharedStore::first_waiter(Object& object) {
  Waiter first = std::move(object.waiters.front());
  object.waiters.pop_front();
  if (first.until) deadlines_.erase({*first.until, first.request.id, first.call});
  return first;
}

void SharedStore::put(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
                      Object& object, Time now) {
  Queue& queue = *object.queue;
  if (!object.waiters.empty() && object.waiters.front().request.op == SharedOp::take) {
    reply(first_waiter(object).call, wire::shared_reply(SharedStatus::done, body));
  } else if (queue.maxsize == 0 || queue.items.size() < queue.maxsize) {
    queue.items.emplace_back(body);
  } else {
    return await(call, request, body, object, now);
  }
  reply(call, wire::shared_reply(SharedStatus::done));
}

void SharedStore::take(const SharedCall& call, const wire::SharedRequest& request, Object& object, Time now) {
  Queue& queue = *object.queue;
  if (queue.items.empty()) return await(call, request, {}, object, now);
  reply(call, wire::shared_reply(SharedStatus::done, queue.items.front().view()));
  queue.items.pop_front();
  if (object.waiters.empty()) return;  // who waits while there are items waits for room
  Waiter next = first_waiter(object);
  queue.items.push_back(std::move(next.body));
  reply(next.call, wire::shared_reply(SharedStatus::done));
}

void SharedStore::unlock(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
                         Object& object, Time now) {
  // Of a lock on lease only its word tells whether it is held; a worker that made no sense may have asked for it just
  // now.
  if (object.lent || object.holder != Holder{call.client, request.thread}) {
    return refuse(call, "a rankpool::Lock was unlocked by another than its holder", SharedStatus::misuse);
  }
  if (!body.empty() && body.size() == object.value.size()) std::memcpy(object.value.data(), body.data(), body.size());
  reply(call, wire::shared_reply(SharedStatus::done));
  object.holder.reset();
  if (!object.run_began) object.run_began = now;
  if (object.waiters.empty() || now - *object.run_began >= pace::kLockRun) return pass_on(request.id, object);
  if (object.not_kept > 0) return --object.not_kept, pass_on(request.id, object);
  object.kept_until = now + pace::kLockKept;
  looks_.emplace(*object.kept_until, request.id);
}

void SharedStore::give_lock(std::uint64_t id, Object& object, const Holder& to, const SharedCall& call) {
  if (object.runner != to.client) object.run_began.reset();
  object.runner = to.client;
  object.holder = to;
  if (to.client && object.value.size() <= channel::Lease::kLargest) lend(id, object, *to.client);
  const bool carried = object.value.size() <= wire::kCarriedWithLock;
  reply(call, wire::shared_reply(SharedStatus::done, carried ? object.value.view() : std::span<const std::byte>()));
}

void SharedStore::end_keeping(std::uint64_t id, Object& object) {
  if (object.kept_until) looks_.erase({*object.kept_until, id});
  object.kept_until.reset();
}

void SharedStore::pass_on(std::uint64_t id, Object& object) {
  object.holder.reset();
  object.run_began.reset();
  while (!object.waiters.empty() && !object.holder) {
    const Waiter next = first_waiter(object);
    if (next.request.op == SharedOp::lock) {
      give_lock(id, object, {next.call.client, next.request.thread}, next.call);
    } else {
      reply(next.call, wire::serve_value(next.request, next.body, {object.value.data(), object.value.size()}));
    }
  }
}

void SharedStore::client_gone(WorkerId worker) {
  std::erase_if(deadlines_, [&](const auto& deadline) { return std::get<2>(deadline).client == worker; });
  for (auto& [id, object] : objects_) {
    object.users.erase(worker);
    std::erase_if(object.waiters, [&](const Waiter& waiter) { return waiter.call.client == worker; });
    if (object.lent && object.lent->place.worker == worker) break_lease(id, object);
    if (object.holder && object.holder->client == worker) pass_on(id, object);
    await_lease(id, object);
  }
  places_.client_gone(worker);
}

void SharedStore::tick(Time now) {
  now_ = now;
  while (!looks_.empty() && looks_.begin()->first <= now) {
    const std::uint64_t id = looks_.begin()->second;
    Object& object = objects_.at(id);
    if (object.lent) {
      look_at_lease(id, object);
      continue;
    }
    end_keeping(id, object);
    object.not_kept = kNotKept;
    pass_on(id, object);
    await_lease(id, object);
  }
  while (!deadlines_.empty() && std::get<0>(*deadlines_.begin()) <= now) {
    const auto [until, id, call] = *deadlines_.begin();
    deadlines_.erase(deadlines_.begin());
    const auto found = objects_.find(id);  // none if a worker has used a number twice
    if (found == objects_.end()) continue;
    end_lease(id, found->second, true);  // it may be free, and this one the first
    if (std::erase_if(found->second.waiters, [&](const Waiter& waiter) { return waiter.call == call; }) != 0) {
      reply(call, wire::shared_reply(SharedStatus::refused));
    }
  }
}

std::optional<SharedStore::Time> SharedStore::next_deadline() const {
  std::optional<Time> next;
  if (!deadlines_.empty()) next = std::get<0>(*deadlines_.begin());
  if (!looks_.empty() && (!next || looks_.begin()->first < *next)) next = looks_.begin()->first;
  return next;
}

void SharedStore::take_actions(std::vector<SharedAction>& to) {
  to.clear();
  to.swap(actions_);
}

void SharedStore::reply(const SharedCall& to, detail::Bytes with) {
  if (to.number != 0) actions_.emplace_back(SendReply{to, std::move(with)});
}

void SharedStore::refuse(const SharedCall& to, const std::string& why, SharedStatus status) {
  reply(to, wire::shared_reply(status, std::as_bytes(std::span(why))));
}

}  // namespace rankpool::engine
