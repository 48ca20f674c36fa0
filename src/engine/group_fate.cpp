#include "engine/group_fate.hpp"

#include <algorithm>

namespace rankpool::engine {
namespace {

/// So long lower ranks may take to throw as well.
constexpr schedule::Nanoseconds kMayThrowToo = std::chrono::milliseconds(100);
/// So long the news of a death may take from another node.
constexpr schedule::Nanoseconds kNewsOfDeath = std::chrono::milliseconds(50);

}  // namespace

void GroupFate::returned(std::size_t rank) {
  done_[rank] = Done::returned;
  ++returned_;
}

void GroupFate::threw(std::size_t rank, Time now) {
  done_[rank] = Done::threw;
  if (!first_throw_) first_throw_ = now;
}

void GroupFate::died(Death how, schedule::LossId loss, Time now, std::optional<std::size_t> rank) {
  dead_.push_back({how, loss, rank});
  if (!first_death_) first_death_ = now;
}

GroupFate::Verdict GroupFate::verdict(Time now) {
  if (verdict_ == Verdict::undecided) verdict_ = judge(now);
  return verdict_;
}

GroupFate::Verdict GroupFate::judge(Time now) {
  if (first_throw_) {
    const auto thrower = std::find(done_.begin(), done_.end(), Done::threw);
    thrower_ = static_cast<std::size_t>(thrower - done_.begin());
    const bool all_below = std::find(done_.begin(), thrower, Done::nothing) == thrower;
    const bool late = now - *first_throw_ >= kMayThrowToo;
    return all_below || late || !dead_.empty() ? Verdict::threw : Verdict::undecided;
  }
  if (first_death_) {
    const bool plain = std::any_of(dead_.begin(), dead_.end(), [](const Dead& dead) {
      return dead.how == Death::by_signal || dead.how == Death::rank_lost;
    });
    const bool late = now - *first_death_ >= kNewsOfDeath;
    return plain || late || !several_nodes_ ? Verdict::lost : Verdict::undecided;
  }
  return returned_ == done_.size() ? Verdict::well : Verdict::undecided;
}

std::optional<GroupFate::Time> GroupFate::next_deadline() const {
  if (verdict_ != Verdict::undecided) return std::nullopt;
  if (first_throw_) return *first_throw_ + kMayThrowToo;
  if (first_death_) return *first_death_ + kNewsOfDeath;
  return std::nullopt;
}

schedule::LossId GroupFate::culprit() const noexcept {
  const auto has_aborted = [&](const Dead& one) {
    return one.rank && std::any_of(dead_.begin(), dead_.end(), [&](const Dead& other) {
             return other.how == Death::aborted && other.rank == one.rank;
           });
  };
  const Dead* first = nullptr;
  for (const Dead& dead : dead_) {
    if (dead.how == Death::exited && has_aborted(dead)) continue;
    if (first == nullptr || dead.how < first->how) first = &dead;
  }
  return first == nullptr ? schedule::LossId::none : first->loss;
}

}  // namespace rankpool::engine
