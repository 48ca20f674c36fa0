#pragma once

#include "base/ids.hpp"
#include "channel/lease.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace rankpool::engine {

/// Where workers hold locks on lease: a few places in the channel of each worker of rank 0's node. Engine thread.
class LeasePlaces {
 public:
  /// Those of a worker; null if its channel is not here. They outlive the channel.
  using Find = std::function<std::shared_ptr<channel::Leases>(WorkerId)>;
  struct Place {
    WorkerId worker{};
    std::size_t number = 0;
    std::shared_ptr<channel::Lease> lease;
  };

  explicit LeasePlaces(Find find) : find_(std::move(find)) {}

  /// A free place for the lock `id`. `make_room(id)` is asked to end the lease of a lock that has a place, until one
  /// does.
  template <class MakeRoom>
  std::optional<Place> take(WorkerId worker, std::uint64_t id, MakeRoom&& make_room) {
    Taken* const taken = of(worker);
    if (taken == nullptr) return std::nullopt;
    for (const bool full : {false, true}) {
      for (std::size_t i = 0; i < taken->ids.size(); ++i) {
        if (full && taken->ids[i] != kGivenUp) make_room(taken->ids[i]);
        if (taken->ids[i] != kNone) continue;
        taken->ids[i] = id;
        return Place{worker, i, {taken->leases, &(*taken->leases)[i]}};
      }
    }
    return std::nullopt;
  }
  void free(const Place& place) { set(place, kNone); }
  /// The worker may still be writing to it: nobody has it again.
  void give_up(const Place& place) { set(place, kGivenUp); }
  void client_gone(WorkerId worker) { taken_.erase(worker); }

 private:
  static constexpr std::uint64_t kNone = 0;  ///< locks count from 1
  static constexpr std::uint64_t kGivenUp = UINT64_MAX;
  struct Taken {
    std::shared_ptr<channel::Leases> leases;
    std::array<std::uint64_t, std::tuple_size_v<channel::Leases>> ids{};
  };

  Taken* of(WorkerId worker) {
    const auto known = taken_.find(worker);
    if (known != taken_.end()) return &known->second;
    auto leases = find_ ? find_(worker) : nullptr;
    return leases ? &(taken_[worker] = {std::move(leases), {}}) : nullptr;
  }
  void set(const Place& place, std::uint64_t id) {
    const auto known = taken_.find(place.worker);
    if (known != taken_.end()) known->second.ids[place.number] = id;
  }

  Find find_;
  std::map<WorkerId, Taken> taken_;
};

}  // namespace rankpool::engine
