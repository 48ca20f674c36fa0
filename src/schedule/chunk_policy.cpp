#include "schedule/chunk_policy.hpp"

#include "base/pace.hpp"

#include <algorithm>

namespace rankpool::schedule {
namespace {

constexpr double kShortest = 20.0 * static_cast<double>(pace::kRoundTrip.count());
constexpr double kFloor = 4.0 * static_cast<double>(pace::kRoundTrip.count());
constexpr double kLongest = 50.0 * static_cast<double>(pace::kRoundTrip.count());
constexpr std::uint64_t kShares = 4 * 2;
constexpr std::uint32_t kGrowth = 8;

}  // namespace

double ChunkPolicy::wanted(std::uint64_t remaining, Crew crew) const {
  const double item = std::max(item_ns_, 0.1);
  const double share =
      static_cast<double>(remaining) / static_cast<double>(kShares * std::max<std::size_t>(crew.cores, 1));
  const double longest =
      std::max(kLongest, static_cast<double>(pace::kRankZeroForChunk.count()) * static_cast<double>(crew.workers)) /
      item;
  const double shortest = std::max(std::min(kShortest / item, 2.0 * share), kFloor / item);
  return std::max(std::min(share, longest), shortest);
}

bool ChunkPolicy::growing(std::uint64_t remaining, Crew crew) const {
  return !known() || seen_ * kGrowth < std::min(wanted(remaining, crew), static_cast<double>(remaining));
}

std::uint32_t ChunkPolicy::next(std::uint64_t remaining, Crew crew, std::uint32_t max_chunk) const {
  if (!known()) return 1;
  const double limit =
      std::min({seen_ * kGrowth, static_cast<double>(std::max(max_chunk, 1U)), static_cast<double>(remaining)});
  return std::max(static_cast<std::uint32_t>(std::min(wanted(remaining, crew), limit)), 1U);
}

void ChunkPolicy::measured(std::uint32_t items, Nanoseconds busy) {
  if (items == 0) return;
  seen_ += items;
  // What it takes to begin a chunk would count for the items of a small one.
  if (items < largest_ / kGrowth && busy < 4 * pace::kRoundTrip) return;
  const double sample = static_cast<double>(std::max<std::int64_t>(busy.count(), 0)) / static_cast<double>(items);
  if (!known()) {
    item_ns_ = sample;
  } else {
    item_ns_ += (sample - item_ns_) * (sample > item_ns_ ? 0.5 : 0.25);
  }
  // A first chunk of one item has warmed caches up at our cost: what larger chunks say counts at once.
  if (items >= largest_ * 2) item_ns_ = sample;
  largest_ = std::max(largest_, items);
}

}  // namespace rankpool::schedule
