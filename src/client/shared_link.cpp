#include <rankpool/detail/shared_link.hpp>

#include "base/forked_copy.hpp"
#include "channel/blob.hpp"
#include "client/job.hpp"
#include "client/shared_link.hpp"
#include "engine/blob_routes.hpp"
#include "wire/shared.hpp"
#include "wire/shared_access.hpp"

#include <rankpool/errors.hpp>
#include <rankpool/run.hpp>

#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace rankpool::inline v0_2::detail {
namespace {

/// A worker that finds a broadcast's place given to another one asks again, so often at most.
constexpr int kMostTries = 100;

using client::Job;
using wire::SharedAccess;
using wire::SharedOp;
using wire::SharedStatus;

/// What a handle on rank 0 holds: its end is the object's.
class ObjectKeepAlive {
 public:
  ObjectKeepAlive(const std::shared_ptr<Job>& job, std::uint64_t id) : job_(job), id_(id) {}
  ObjectKeepAlive(const ObjectKeepAlive&) = delete;
  ObjectKeepAlive& operator=(const ObjectKeepAlive&) = delete;
  ~ObjectKeepAlive();

 private:
  std::weak_ptr<Job> job_;
  std::uint64_t id_;
};

/// What this process knows of the shared objects besides their handles. Thread-safe.
struct Objects {
  std::mutex mutex;
  std::uint64_t next_id = 1;
  std::map<std::uint64_t, std::weak_ptr<const void>> keep_alives;  ///< rank 0: those that live
  std::map<std::uint64_t, std::weak_ptr<void>> states;             ///< broadcasts with a handle here
  std::map<std::uint64_t, std::shared_ptr<void>> kept;             ///< a worker's broadcasts that it has decoded
  std::size_t swept_at = 64;
};
Objects& objects() {
  static Objects* const instance = new Objects;  // handles may be static objects
  return *instance;
}

ObjectKeepAlive::~ObjectKeepAlive() {
  {
    const std::lock_guard lock(objects().mutex);
    objects().keep_alives.erase(id_);
  }
  if (base::is_forked_copy()) return;
  if (const auto job = job_.lock()) job->engine().mailbox().post_if_open(engine::ForgetShared{id_});
}

std::shared_ptr<Job> job_to_make_in(const char* what) {
  if (in_worker())
    throw Error(std::string(what) + " cannot be made inside a task: make it on rank 0 and pass it along");
  auto job = Job::current();
  if (!job) throw Error(std::string(what) + " was made outside of rankpool::run()");
  return job;
}

std::uint64_t next_id() {
  const std::lock_guard lock(objects().mutex);
  return objects().next_id++;
}

SharedHandle kept_alive(const std::shared_ptr<Job>& job, std::uint64_t id) {
  auto keep_alive = std::make_shared<const ObjectKeepAlive>(job, id);
  const std::lock_guard lock(objects().mutex);
  objects().keep_alives[id] = keep_alive;
  return {id, std::move(keep_alive)};
}

std::uint64_t this_thread_number() {
  static std::atomic<std::uint64_t> last{0};
  thread_local const std::uint64_t number = ++last;
  return number;
}

wire::SharedRequest header_of(SharedOp op, std::uint64_t id, std::int64_t number = 0, NumberKind kind = {}) {
  if (id == 0) throw Error("an empty handle of a shared object was used");
  wire::SharedRequest header;
  header.op = op;
  header.number_kind = static_cast<std::uint8_t>(kind);
  header.id = id;
  header.thread = this_thread_number();
  header.number = number;
  return header;
}

Bytes request(SharedOp op, std::uint64_t id, std::int64_t number = 0, NumberKind kind = {}) {
  const wire::SharedRequest header = header_of(op, id, number, kind);
  return Bytes(std::as_bytes(std::span(&header, 1)));
}

/// As requests have it: -1 is as long as it takes.
std::int64_t nanoseconds_of(const std::optional<std::chrono::nanoseconds>& limit) {
  return limit ? std::max<std::int64_t>(limit->count(), 0) : -1;
}

struct Reply {
  SharedStatus status{};
  Bytes bytes;
  [[nodiscard]] std::span<const std::byte> body() const { return bytes.view().subspan(sizeof status); }
};

/// Rank 0's threads, which may be in the midst of `run` or outside of it.
class OfRankZero final : public SharedAccess {
 public:
  Bytes ask(std::span<const std::byte> request) override {
    if (base::is_forked_copy()) throw Error(base::copy_complaint("a shared object"));
    const auto job = Job::current();
    const auto caller = std::make_shared<engine::SharedCaller>(Bytes(request));
    if (!job || !job->engine().mailbox().post_if_open(engine::CallShared{caller})) {
      throw Error("a shared object was used outside of rankpool::run()");
    }
    return caller->wait();
  }
  void locked(const wire::SharedRequest& /*request*/, std::span<const std::byte> /*value*/) override {}
  void unlock(const wire::SharedRequest& request) override;
};

SharedAccess& access() {
  static OfRankZero of_rank_0;
  SharedAccess* const of_worker = SharedAccess::of_worker();
  return of_worker != nullptr ? *of_worker : of_rank_0;
}

/// Asks rank 0. What it has against it is thrown.
Reply ask(const Bytes& request) {
  Reply reply;
  reply.bytes = access().ask(request);
  auto rest = reply.bytes.view();
  const auto status = wire::take_plain<SharedStatus>(rest);
  if (!status) throw Error("a reply of rank 0 is too short");
  const std::string text(reinterpret_cast<const char*>(rest.data()), rest.size());
  if (*status == SharedStatus::misuse) throw std::logic_error(text);
  if (*status == SharedStatus::error) throw Error(text);
  reply.status = *status;
  return reply;
}

void OfRankZero::unlock(const wire::SharedRequest& request) {
  detail::ask(Bytes(std::as_bytes(std::span(&request, 1))));  // it says so if it is another's
}

}  // namespace

SharedHandle make_shared_value(std::span<const std::byte> initial) {
  const auto job = job_to_make_in("a Value");
  const std::uint64_t id = next_id();
  job->engine().mailbox().post_if_open(engine::MakeSharedValue{id, Bytes(initial)});
  return kept_alive(job, id);
}

SharedHandle make_shared_lock() {
  if (in_worker()) return {};
  const auto job = Job::current();
  if (!job) return {};
  const std::uint64_t id = next_id();
  job->engine().mailbox().post_if_open(engine::MakeSharedValue{id, {}});
  return kept_alive(job, id);
}

SharedHandle make_shared_queue(std::uint64_t maxsize) {
  const auto job = job_to_make_in("a Queue");
  const std::uint64_t id = next_id();
  job->engine().mailbox().post_if_open(engine::MakeSharedQueue{id, maxsize});
  return kept_alive(job, id);
}

SharedHandle make_shared_blob(std::span<const std::byte> encoded) {
  const auto job = job_to_make_in("a broadcast");
  const std::uint64_t id = next_id();
  const auto blob = std::make_shared<channel::Blob>(id, encoded.size());
  (void)blob->append(encoded);
  job->engine().mailbox().post_if_open(engine::MakeSharedBlob{id, blob});
  return kept_alive(job, id);
}

Bytes shared_get(std::uint64_t id) { return Bytes(ask(request(SharedOp::get, id)).body()); }

void shared_set(std::uint64_t id, std::span<const std::byte> value) {
  Bytes asked = request(SharedOp::set, id);
  asked.append(value.data(), value.size());
  ask(asked);
}

Bytes shared_add(std::uint64_t id, NumberKind kind, std::span<const std::byte> summand) {
  Bytes asked = request(SharedOp::add, id, 0, kind);
  asked.append(summand.data(), summand.size());
  return Bytes(ask(asked).body());
}

bool shared_exchange(std::uint64_t id, std::span<std::byte> expected, std::span<const std::byte> desired) {
  Bytes asked = request(SharedOp::exchange, id);
  asked.append(expected.data(), expected.size());
  asked.append(desired.data(), desired.size());
  const Reply reply = ask(asked);
  if (reply.status == SharedStatus::done) return true;
  if (reply.body().size() != expected.size()) throw Error("a shared value was used as one of another type");
  std::memcpy(expected.data(), reply.body().data(), expected.size());
  return false;
}

bool shared_put(std::uint64_t id, std::span<const std::byte> item, std::optional<std::chrono::nanoseconds> limit) {
  Bytes asked = request(SharedOp::put, id, nanoseconds_of(limit));
  asked.append(item.data(), item.size());
  return ask(asked).status == SharedStatus::done;
}

std::optional<Bytes> shared_take(std::uint64_t id, std::optional<std::chrono::nanoseconds> limit) {
  const Reply reply = ask(request(SharedOp::take, id, nanoseconds_of(limit)));
  if (reply.status != SharedStatus::done) return std::nullopt;
  return Bytes(reply.body());
}

bool shared_lock(std::uint64_t id, std::optional<std::chrono::nanoseconds> limit) {
  const wire::SharedRequest header = header_of(SharedOp::lock, id, nanoseconds_of(limit));
  const Reply reply = ask(Bytes(std::as_bytes(std::span(&header, 1))));
  if (reply.status != SharedStatus::done) return false;
  access().locked(header, reply.body());
  return true;
}

void shared_unlock(std::uint64_t id) { access().unlock(header_of(SharedOp::unlock, id)); }

void shared_blob(std::uint64_t id, const std::function<void(std::span<const std::byte>)>& use) {
  if (SharedAccess::of_worker() == nullptr) throw Error("a broadcast was used after its last handle had gone");
  std::optional<channel::MappedBlob> blob;
  for (int tries = 1; !blob; ++tries) {
    const Reply reply = ask(request(SharedOp::blob, id));
    auto rest = reply.body();
    const auto place = wire::take_plain<wire::BlobPlace>(rest);
    if (!place) throw Error("a reply of rank 0 is too short");
    try {
      blob.emplace(id, *place);
    } catch (const channel::BlobNotThere&) {  // where many are asked for at once its descriptor is soon another's
      if (tries == kMostTries) throw;
    }
  }
  use(blob->bytes());
}

std::uint64_t broadcast_bytes_sent() noexcept { return engine::BlobRoutes::bytes_sent(); }

std::shared_ptr<void> shared_state(std::uint64_t id, const std::function<std::shared_ptr<void>()>& make) {
  Objects& all = objects();
  const std::lock_guard lock(all.mutex);
  auto& known = all.states[id];
  if (auto living = known.lock()) return living;
  auto made = make();
  known = made;
  if (all.states.size() > all.swept_at) {
    std::erase_if(all.states, [](const auto& entry) { return entry.second.expired(); });
    all.swept_at = 2 * all.states.size() + 64;
  }
  return made;
}

void keep_shared_state(std::uint64_t id, std::shared_ptr<void> state) {
  const std::lock_guard lock(objects().mutex);
  objects().kept[id] = std::move(state);
}

SharedHandle shared_handle(std::uint64_t id) {
  if (id == 0 || in_worker()) return {id, nullptr};
  const std::lock_guard lock(objects().mutex);
  const auto found = objects().keep_alives.find(id);
  return {id, found == objects().keep_alives.end() ? nullptr : found->second.lock()};
}

}  // namespace rankpool::inline v0_2::detail

namespace rankpool::client {

void forget_shared(std::uint64_t id) {
  std::shared_ptr<void> gone;  // the value ends outside of the lock: its destructor is the user's
  {
    const std::lock_guard lock(detail::objects().mutex);
    const auto found = detail::objects().kept.find(id);
    if (found == detail::objects().kept.end()) return;
    gone = std::move(found->second);
    detail::objects().kept.erase(found);
  }
}

namespace {

/// What is known of broadcasts, from one root.
struct Known {
  std::map<std::uint64_t, std::weak_ptr<void>> states;
  std::map<std::uint64_t, std::shared_ptr<void>> kept;
};
Known& known_aside() {
  static Known* const aside = new Known;
  return *aside;
}
/// Values end outside of the lock: their destructors are the user's.
void exchange_known(Known& with) {
  const std::lock_guard lock(detail::objects().mutex);
  detail::objects().states.swap(with.states);
  detail::objects().kept.swap(with.kept);
}

}  // namespace

void put_objects_aside() { exchange_known(known_aside()); }

void take_objects_back() {
  exchange_known(known_aside());
  known_aside() = Known{};
}

}  // namespace rankpool::client
