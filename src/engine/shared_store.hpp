#pragma once

#include "base/ids.hpp"
#include "channel/blob.hpp"
#include "engine/lease_places.hpp"
#include "wire/shared.hpp"

#include <rankpool/detail/bytes.hpp>

#include <chrono>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace rankpool::engine {

/// A process that uses the shared state: a worker, or rank 0 itself if there is none.
using Client = std::optional<WorkerId>;

/// One call of a client. A call of number 0 is told, not asked: it has no reply.
struct SharedCall {
  Client client;
  std::uint64_t number = 0;
  auto operator<=>(const SharedCall&) const = default;
};

// What follows from an event.
struct SendReply {
  SharedCall to;
  detail::Bytes reply;
};
struct GiveBlob {
  SharedCall to;
  std::uint64_t id = 0;
  std::shared_ptr<const channel::Blob> blob;
};
/// The worker need not keep what it has decoded of it.
struct ForgetAtWorker {
  WorkerId worker{};
  std::uint64_t id = 0;
};
/// Nor the ranks its bytes.
struct ForgetBlob {
  std::uint64_t id = 0;
};
using SharedAction = std::variant<SendReply, GiveBlob, ForgetAtWorker, ForgetBlob>;

/// The values, locks, queues and broadcasts of the job, as they live on rank 0: events in, actions out. It trusts no
/// request.
///
/// A lock is given to those who wait for it in the order in which they came, but for this: a client that has just given
/// it back may have it again at once, for up to kRun. A hand-over costs a change of processes, and who works in a loop
/// of short sections would pay it for each of them. A lock's holder is a thread of a client. Every value has a lock of
/// its own under the same number. While somebody holds it, the calls of others on the value wait (Python's way); so the
/// holder may keep the value, which comes with the lock, and bring it back when it unlocks.
///
/// A worker of rank 0's node is given the lock on lease (channel/lease.hpp): it takes it again and again by itself.
/// When somebody else wants it the lease ends, once the lock is free: at once if it was not used for kLeaseIdle, else
/// when kRun is over. Until then it stands as held by that worker, by none of its threads.
class SharedStore {
 public:
  using Time = std::chrono::nanoseconds;  ///< as Scheduler's

  /// After it was kept in vain, it is not kept so many times.
  static constexpr int kNotKept = 4;

  /// `leases`: where workers may hold locks by themselves; without it none do.
  explicit SharedStore(LeasePlaces::Find leases = {}) : places_(std::move(leases)) {}

  // -- events
  /// `value` is empty for a lock. Numbers are not used twice.
  void made(std::uint64_t id, detail::Bytes value);
  void made(std::uint64_t id, std::shared_ptr<const channel::Blob> blob);
  /// `maxsize` 0: it is never full.
  void made_queue(std::uint64_t id, std::uint64_t maxsize);
  /// The last handle has gone.
  void forgotten(std::uint64_t id);
  void called(const SharedCall& call, std::span<const std::byte> request, Time now);
  /// It waits for nothing any more, and what it held is free.
  void client_gone(WorkerId worker);
  /// Ends the waits whose time has come.
  void tick(Time now);
  [[nodiscard]] std::optional<Time> next_deadline() const;

  void take_actions(std::vector<SharedAction>& to);
  [[nodiscard]] std::size_t size() const noexcept { return objects_.size(); }

 private:
  /// In the place of a thread, where the worker knows which of its threads has the lock.
  static constexpr std::uint64_t kNoThread = 0;
  struct Holder {
    Client client;
    std::uint64_t thread = 0;
    bool operator==(const Holder&) const = default;
  };
  /// A call that has to wait until the lock is free: for it, or for the value that its holder may be changing; or
  /// until a queue has room, or an item.
  struct Waiter {
    SharedCall call;
    wire::SharedRequest request;
    detail::Bytes body;
    std::optional<Time> until;
  };
  /// `lease` is a worker's word, and ends with the lease or with the worker.
  struct Lent {
    LeasePlaces::Place place;
    Time began{};
    Time patience{};              ///< until the next look but one
    std::optional<Time> look_at;  ///< while somebody waits
  };
  struct Queue {
    std::uint64_t maxsize = 0;
    std::deque<detail::Bytes> items;
  };
  struct Object {
    detail::Bytes value;
    std::shared_ptr<const channel::Blob> blob;
    std::optional<Queue> queue;
    std::optional<Holder> holder;
    std::optional<Lent> lent;
    std::deque<Waiter> waiters;
    Client runner;                   ///< who had the lock last
    std::optional<Time> run_began;   ///< when it gave it back for the first time
    std::optional<Time> kept_until;  ///< it is free, and kept for the runner
    int not_kept = 0;                ///< times that it is not to be kept
    std::set<WorkerId> users;        ///< workers that have been given the blob
  };

  void serve(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body, Time now);
  void serve_at_home(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
                     Object& object, Time now);
  /// The end of what is kept for the runner.
  void end_keeping(std::uint64_t id, Object& object);
  void put(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body, Object& object,
           Time now);
  void take(const SharedCall& call, const wire::SharedRequest& request, Object& object, Time now);
  /// The call waits as long as it says; not at all if it says so.
  void await(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
             Object& object, Time now);
  /// The first that waits, and waits no more.
  Waiter first_waiter(Object& object);
  void lock(const SharedCall& call, const wire::SharedRequest& request, Object& object, Time now);
  void unlock(const SharedCall& call, const wire::SharedRequest& request, std::span<const std::byte> body,
              Object& object, Time now);
  void give_lock(std::uint64_t id, Object& object, const Holder& to, const SharedCall& call);
  void pass_on(std::uint64_t id, Object& object);
  // -- leases
  void lend(std::uint64_t id, Object& object, WorkerId to);
  /// True if the call has been dealt with.
  bool serve_lent(const SharedCall& call, const wire::SharedRequest& request, Object& object);
  /// The lock is passed on if it is free; true if it was. `at_once`: even if it was used just now.
  bool end_lease(std::uint64_t id, Object& object, bool at_once);
  /// The same in any case.
  void break_lease(std::uint64_t id, Object& object);
  void look_at_lease(std::uint64_t id, Object& object);
  void await_lease(std::uint64_t id, Object& object);
  void stop_looking(std::uint64_t id, Object& object);
  void reply(const SharedCall& to, detail::Bytes with);
  void refuse(const SharedCall& to, const std::string& why, wire::SharedStatus status = wire::SharedStatus::error);

  std::map<std::uint64_t, Object> objects_;
  LeasePlaces places_;
  std::set<std::tuple<Time, std::uint64_t, SharedCall>> deadlines_;  ///< of those who wait for a lock or a queue
  std::set<std::pair<Time, std::uint64_t>> looks_;                   ///< at locks that are kept, or on lease and wanted
  std::vector<SharedAction> actions_;
  Time now_{0};
};

}  // namespace rankpool::engine
