#include "base/pace.hpp"
#include "engine/shared_store.hpp"

#include <algorithm>
#include <span>

namespace rankpool::engine {
using wire::SharedOp;
using wire::SharedStatus;

namespace {

/// The value that a lease has, in the place of the one at home.
std::span<std::byte> room(detail::Bytes& value) { return {value.data(), value.size()}; }

}  // namespace

void SharedStore::lend(std::uint64_t id, Object& object, WorkerId to) {
  const auto make_room = [&](std::uint64_t other) { end_lease(other, objects_.at(other), false); };
  auto place = places_.take(to, id, make_room);
  if (!place) return;
  place->lease->grant(id, object.value.view());
  object.holder = Holder{to, kNoThread};
  object.lent = Lent{std::move(*place), now_, pace::kLookAtLease, {}};
}

bool SharedStore::serve_lent(const SharedCall& call, const wire::SharedRequest& request, Object& object) {
  const bool own = call.client == object.lent->place.worker;
  if (own && request.op == SharedOp::unlock) {  // it tells that the lock is free
    reply(call, wire::shared_reply(SharedStatus::done));
    end_lease(request.id, object, true);
    return true;
  }
  if (request.op == SharedOp::get && !object.value.empty() && object.lent->place.lease->read(room(object.value))) {
    reply(call, wire::shared_reply(SharedStatus::done, object.value.view()));
    return true;
  }
  // Who does not wait for a lock is to have it if it is free.
  end_lease(request.id, object, own || (request.op == SharedOp::lock && request.number == 0));
  return false;
}

bool SharedStore::end_lease(std::uint64_t id, Object& object, bool at_once) {
  if (!object.lent) return false;
  channel::Lease& lease = *object.lent->place.lease;
  const Time last_use = std::clamp(lease.last_use(), Time(0), now_);
  const bool over = now_ - object.lent->began >= pace::kLockRun;
  if (!over && !at_once && now_ - last_use < pace::kLeaseIdle) return false;
  if (over) lease.ask_back();  // first: if the lock is held now, its worker tells when it is free
  if (!lease.take_back(room(object.value))) return false;
  stop_looking(id, object);
  places_.free(object.lent->place);
  object.lent.reset();
  pass_on(id, object);
  await_lease(id, object);
  return true;
}

void SharedStore::break_lease(std::uint64_t id, Object& object) {
  Lent& lent = *object.lent;
  stop_looking(id, object);
  if (lent.place.lease->take_back(room(object.value))) {
    places_.free(lent.place);
  } else {
    lent.place.lease->end(room(object.value));
    places_.give_up(lent.place);
  }
  object.lent.reset();
}

void SharedStore::await_lease(std::uint64_t id, Object& object) {
  if (!object.lent || object.lent->look_at || object.waiters.empty()) return;
  Lent& lent = *object.lent;
  if (now_ - lent.began >= pace::kLockRun) {
    end_lease(id, object, true);
    return;
  }
  lent.place.lease->somebody_waits();
  lent.look_at = std::min(now_ + lent.patience, lent.began + pace::kLockRun);
  lent.patience *= 4;
  looks_.emplace(*lent.look_at, id);
}

void SharedStore::look_at_lease(std::uint64_t id, Object& object) {
  stop_looking(id, object);
  end_lease(id, object, false);
  await_lease(id, object);
}

void SharedStore::stop_looking(std::uint64_t id, Object& object) {
  if (!object.lent->look_at) return;
  looks_.erase({*object.lent->look_at, id});
  object.lent->look_at.reset();
}

}  // namespace rankpool::engine
