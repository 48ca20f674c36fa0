#include "engine/blob_sources.hpp"

#include <algorithm>
#include <utility>

namespace rankpool::engine {

BlobSources::BlobSources(Rank root) : root_(root) {}

BlobSources::Source BlobSources::add(Rank receiver, bool gives, bool from_root) {
  const Rank source = from_root ? root_ : choose(receiver, true);
  Place& place = places_[receiver];
  place.gives = gives;
  return attach(receiver, place, source);
}

void BlobSources::complete(Rank receiver) {
  Place& place = places_.at(receiver);
  hide(receiver, place);
  detach(receiver, place);
  place.depth = 0;
  show(receiver, place);
}

std::vector<BlobSources::Moved> BlobSources::lost(Rank rank) {
  const auto found = places_.find(rank);
  if (found == places_.end()) return {};
  hide(rank, found->second);
  detach(rank, found->second);
  const std::vector<Rank> orphans = std::exchange(found->second.receivers, {});
  places_.erase(found);
  // None of them is a source for the others before it has one itself.
  for (const Rank orphan : orphans) {
    Place& place = places_.at(orphan);
    hide(orphan, place);
    place.source.reset();
  }
  std::vector<Moved> moved;
  for (const Rank orphan : orphans) {
    moved.push_back({orphan, attach(orphan, places_.at(orphan), choose(orphan, true))});
  }
  return moved;
}

BlobSources::Source BlobSources::lacking(Rank receiver) {
  Place& place = places_.at(receiver);
  if (place.source && *place.source != root_) distrust(*place.source);
  hide(receiver, place);
  detach(receiver, place);
  return attach(receiver, place, choose(receiver, false));
}

void BlobSources::distrust(Rank rank) {
  const auto found = places_.find(rank);
  if (found == places_.end()) return;
  hide(rank, found->second);
  found->second.gives = false;
}

std::vector<Rank> BlobSources::ranks() const {
  std::vector<Rank> all;
  for (const auto& [rank, place] : places_) all.push_back(rank);
  return all;
}

void BlobSources::show(Rank rank, const Place& place) {
  if (!place.gives || place.receivers.size() >= kFanOut) return;
  if (place.source) {
    getters_.emplace(place.depth, place.receivers.size(), rank);
  } else {
    holders_.emplace(place.receivers.size(), place.given, rank);
  }
}

void BlobSources::hide(Rank rank, const Place& place) {
  holders_.erase({place.receivers.size(), place.given, rank});
  getters_.erase({place.depth, place.receivers.size(), rank});
}

void BlobSources::detach(Rank receiver, Place& place) {
  const auto source = std::exchange(place.source, {});
  if (!source || *source == root_) return;
  Place& from = places_.at(*source);
  hide(*source, from);
  std::erase(from.receivers, receiver);
  show(*source, from);
}

BlobSources::Source BlobSources::attach(Rank receiver, Place& place, Rank source) {
  place.source = source;
  place.depth = 1;
  if (source == root_) {
    ++root_given_;
  } else {
    Place& from = places_.at(source);
    hide(source, from);
    from.receivers.push_back(receiver);
    ++from.given;
    place.depth = from.depth + 1;
    show(source, from);
  }
  show(receiver, place);
  return {source, place.depth};
}

Rank BlobSources::choose(Rank receiver, bool among_getters) const {
  if (!holders_.empty()) return std::get<Rank>(*holders_.begin());
  if (root_given_ < kFanOut || !among_getters) return root_;
  for (const auto& [depth, receivers, rank] : getters_) {
    if (!gets_it_from(rank, receiver)) return rank;
  }
  return root_;
}

bool BlobSources::gets_it_from(Rank rank, Rank ancestor) const {
  while (true) {
    if (rank == ancestor) return true;
    const auto found = places_.find(rank);
    if (found == places_.end() || !found->second.source) return false;
    rank = *found->second.source;
  }
}

}  // namespace rankpool::engine
