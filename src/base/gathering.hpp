#pragma once

#include "base/pace.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

/// Many small messages to one receiver that cannot keep up with them (Nagle's rule). While rank 0 is busy, each agent
/// has one small message under way to it, and what its workers show meanwhile goes with the next. So the fuller rank 0
/// is, the later it answers, the more goes with each message, and the fewer there are: only how long at most is set.
///
///     rank 0: Load       busy or not; each message that it sends meanwhile says what it has received (wire::Received)
///     agent:  Gathering  when the next message may leave, and when to look though nobody rings
///
/// Where rank 0 is not busy, each message leaves at once.
namespace rankpool::base {

/// How busy a loop is. One thread.
class Load {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// A turn that began at `now` is over. Until the next one begins the time counts as busy, if it had something to do.
  void turn(Time now, bool worked) noexcept {
    const auto passed = static_cast<double>(std::max((now - since_).count(), Time::rep{0}));
    share_ += ((worked_ ? 1.0 : 0.0) - share_) * passed / (passed + kMemory);
    since_ = now;
    worked_ = worked;
    if (share_ > kFull) busy_ = true;
    if (share_ < kFree) busy_ = false;
  }
  [[nodiscard]] bool busy() const noexcept { return busy_; }

 private:
  static constexpr double kMemory = static_cast<double>(pace::kLoadMemory.count());
  static constexpr double kFull = 0.75;
  static constexpr double kFree = 0.5;
  Time since_{};
  double share_ = 0;  ///< of the time that was spent on work, lately
  bool worked_ = false;
  bool busy_ = false;
};

/// An agent's messages to rank 0, which are counted from the first on. One thread.
class Gathering {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::nanoseconds;

  /// Rank 0 has said that it is busy, and how many messages it had received from us.
  void heard_busy(Time now, std::uint64_t taken) noexcept {
    if (!busy_) answer_within_ = pace::kAnswerAtFirst;
    busy_ = true;
    heard_ = now;
    if (timed_ != 0 && taken >= timed_) {
      answer_within_ += (now - timed_since_ - answer_within_) / 4;
      timed_ = 0;
    }
    if (taken >= sent_) awaiting_ = false;
  }
  /// A message of rank 0 without that.
  void heard_free() noexcept {
    busy_ = awaiting_ = false;
    timed_ = 0;
  }
  /// So many messages have been sent now.
  void sent(Time now, std::uint64_t messages) noexcept {
    if (!busy_) return;
    sent_ = messages;
    sent_at_ = now;
    if (timed_ == 0) {
      timed_ = messages;
      timed_since_ = now;
    } else {  // one before it has waited in vain
      answer_within_ = std::min<Duration>(2 * answer_within_, pace::kGatheredWithin);
    }
    awaiting_ = true;
  }

  /// Whether a small message may leave now. It is `due` in any case.
  [[nodiscard]] bool may_send(Time now) const noexcept { return !awaiting_ || now >= due(); }
  [[nodiscard]] Time due() const noexcept {
    return sent_at_ + std::clamp<Duration>(4 * answer_within_, pace::kAnswerAtFirst, pace::kGatheredWithin);
  }
  /// While rank 0 is busy to be rung costs it more than the message. Who looks by itself at this time at the latest
  /// need not be rung; nothing: ask to be rung.
  [[nodiscard]] std::optional<Time> look_again(Time now) const noexcept {
    if (!busy_ || now - heard_ > std::max<Duration>(8 * answer_within_, pace::kAnswersCease)) return {};
    return now + std::clamp<Duration>(answer_within_ / 4, pace::kLookForAnswer, pace::kLookForAnswerAtMost);
  }

 private:
  bool busy_ = false;
  bool awaiting_ = false;  ///< rank 0 has not said that it has received the last message
  std::uint64_t sent_ = 0;
  Time sent_at_{};
  std::uint64_t timed_ = 0;  ///< the message whose answer is timed; 0: none
  Time timed_since_{};
  Time heard_{};
  Duration answer_within_ = pace::kAnswerAtFirst;  ///< on average
};

}  // namespace rankpool::base
