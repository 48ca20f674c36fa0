#include "engine/shared_store.hpp"

#include <rankpool/errors.hpp>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace rankpool::engine {
namespace {

template <class T>
void add_number(std::byte* to, const std::byte* summand) {
  T sum;
  T more;
  std::memcpy(&sum, to, sizeof sum);
  std::memcpy(&more, summand, sizeof more);
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;  // wraps around where it would overflow, as std::atomic does
    sum = static_cast<T>(static_cast<Unsigned>(static_cast<Unsigned>(sum) + static_cast<Unsigned>(more)));
  } else {
    sum += more;
  }
  std::memcpy(to, &sum, sizeof sum);
}

void add_bytes(detail::NumberKind kind, std::size_t size, std::byte* to, const std::byte* summand) {
  if (kind == detail::NumberKind::floating) {
    if (size == sizeof(float)) return add_number<float>(to, summand);
    if (size == sizeof(double)) return add_number<double>(to, summand);
    if (size == sizeof(long double)) return add_number<long double>(to, summand);
  } else if (kind != detail::NumberKind::none) {
    // Signed and unsigned addition give the same bits.
    if (size == 1) return add_number<std::uint8_t>(to, summand);
    if (size == 2) return add_number<std::uint16_t>(to, summand);
    if (size == 4) return add_number<std::uint32_t>(to, summand);
    if (size == 8) return add_number<std::uint64_t>(to, summand);
  }
  throw Error("a shared value of this type cannot be added to");
}

void check_size(std::size_t has, std::size_t given) {
  if (has != given)
    throw Error("a shared value of " + std::to_string(has) + " bytes was used as one of " + std::to_string(given));
}

}  // namespace

detail::SharedHandle SharedStore::adopt(std::shared_ptr<Object> made) {
  const std::lock_guard lock(mutex_);
  made->id = next_++;
  objects_[made->id] = made;
  if (objects_.size() > swept_at_) {
    std::erase_if(objects_, [](const auto& entry) { return entry.second.expired(); });
    swept_at_ = 2 * objects_.size() + 64;
  }
  return {made->id, made};
}

detail::SharedHandle SharedStore::make_value(std::span<const std::byte> initial) {
  auto made = std::make_shared<Object>();
  made->value = detail::Bytes(initial);
  made->own_lock = std::make_shared<Object>();
  adopt(made->own_lock);
  return adopt(std::move(made));
}

detail::SharedHandle SharedStore::make_lock() { return adopt(std::make_shared<Object>()); }

detail::SharedHandle SharedStore::make_blob(detail::Bytes encoded) {
  auto made = std::make_shared<Object>();
  made->blob = std::make_shared<const detail::Bytes>(std::move(encoded));
  return adopt(std::move(made));
}

std::shared_ptr<SharedStore::Object> SharedStore::object(std::uint64_t id) {
  const auto found = objects_.find(id);
  auto living = found == objects_.end() ? nullptr : found->second.lock();
  if (!living) {
    throw Error(id == 0 ? "an empty handle of a shared object was used"
                        : "a shared object was used after its last handle on rank 0 had gone");
  }
  return living;
}

detail::SharedHandle SharedStore::find(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  return {id, object(id)};
}

detail::Bytes SharedStore::get(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  return detail::Bytes(object(id)->value.view());
}

void SharedStore::set(std::uint64_t id, std::span<const std::byte> value) {
  const std::lock_guard lock(mutex_);
  const auto living = object(id);
  check_size(living->value.size(), value.size());
  std::memcpy(living->value.data(), value.data(), value.size());
}

detail::Bytes SharedStore::add(std::uint64_t id, detail::NumberKind kind, std::span<const std::byte> summand) {
  const std::lock_guard lock(mutex_);
  const auto living = object(id);
  check_size(living->value.size(), summand.size());
  detail::Bytes before(living->value.view());
  add_bytes(kind, summand.size(), living->value.data(), summand.data());
  return before;
}

bool SharedStore::exchange(std::uint64_t id, std::span<std::byte> expected, std::span<const std::byte> desired) {
  const std::lock_guard lock(mutex_);
  const auto living = object(id);
  check_size(living->value.size(), expected.size());
  check_size(living->value.size(), desired.size());
  const bool same = std::memcmp(living->value.data(), expected.data(), expected.size()) == 0;
  if (same) {
    std::memcpy(living->value.data(), desired.data(), desired.size());
  } else {
    std::memcpy(expected.data(), living->value.data(), expected.size());
  }
  return same;
}

detail::SharedHandle SharedStore::lock_of(std::uint64_t value) {
  const std::lock_guard lock(mutex_);
  const auto living = object(value);
  if (!living->own_lock) throw Error("only a Value has a lock of its own");
  // The lock's handle keeps the value alive too: whoever holds the lock is about to use it.
  return {living->own_lock->id,
          std::make_shared<std::pair<std::shared_ptr<Object>, std::shared_ptr<Object>>>(living->own_lock, living)};
}

std::shared_ptr<const detail::Bytes> SharedStore::blob(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto living = object(id);
  if (!living->blob) throw Error("this shared object is no broadcast");
  return living->blob;
}

bool SharedStore::lock(std::uint64_t id, Holder who, std::optional<Time> until) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<bool> outcome;
  };
  const auto wait = std::make_shared<Wait>();
  lock_later(id, who, until, [wait](bool taken) {
    const std::lock_guard lock(wait->mutex);
    wait->outcome = taken;
    wait->changed.notify_all();
  });
  std::unique_lock lock(wait->mutex);
  while (!wait->outcome) {
    if (!until) {
      wait->changed.wait(lock);
    } else if (wait->changed.wait_until(lock, *until) == std::cv_status::timeout) {
      lock.unlock();
      expire(std::chrono::steady_clock::now());
      lock.lock();
    }
  }
  return *wait->outcome;
}

void SharedStore::lock_later(std::uint64_t id, Holder who, std::optional<Time> until,
                             std::function<void(bool)> granted) {
  bool taken = false;
  {
    const std::lock_guard lock(mutex_);
    const auto living = object(id);
    if (!living->holder && living->waiters.empty()) {
      living->holder = who;
      taken = true;
    } else if (!until || *until > std::chrono::steady_clock::now()) {
      living->waiters.push_back({who, until, std::move(granted)});
      return;
    }
  }
  granted(taken);
}

void SharedStore::pass_on(Object& lock, Calls& calls) {
  lock.holder.reset();
  if (lock.waiters.empty()) return;
  Waiter next = std::move(lock.waiters.front());
  lock.waiters.pop_front();
  lock.holder = next.who;
  calls.emplace_back([granted = std::move(next.granted)] { granted(true); });
}

void SharedStore::unlock(std::uint64_t id, Holder who) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    const auto living = object(id);
    if (living->holder != who) throw std::logic_error("a rankpool::Lock was unlocked by another than its holder");
    pass_on(*living, calls);
  }
  for (const auto& call : calls) call();
}

void SharedStore::release_all_of(std::int64_t worker) {
  Calls calls;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, weak] : objects_) {
      const auto living = weak.lock();
      if (!living) continue;
      std::erase_if(living->waiters, [&](const Waiter& waiter) { return waiter.who.worker == worker; });
      if (living->holder && living->holder->worker == worker) pass_on(*living, calls);
    }
  }
  for (const auto& call : calls) call();
}

std::optional<SharedStore::Time> SharedStore::expire(Time now) {
  Calls calls;
  std::optional<Time> next;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, weak] : objects_) {
      const auto living = weak.lock();
      if (!living) continue;
      for (auto waiter = living->waiters.begin(); waiter != living->waiters.end();) {
        if (waiter->until && *waiter->until <= now) {
          calls.emplace_back([granted = std::move(waiter->granted)] { granted(false); });
          waiter = living->waiters.erase(waiter);
        } else {
          if (waiter->until && (!next || *waiter->until < *next)) next = waiter->until;
          ++waiter;
        }
      }
    }
  }
  for (const auto& call : calls) call();
  return next;
}

}  // namespace rankpool::engine
