#pragma once

#include "base/ids.hpp"
#include "schedule/backlog.hpp"
#include "schedule/scheduler.hpp"
#include "schedule/work_table.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace rankpool::schedule {

/// What waits for places: groups, which need several workers' places at once, and items that need so much memory. By
/// priority, and then in the order in which they came.
///
/// Each waits behind the items of the backlog that came before it, and is overtaken by what came later only while its
/// reserve grows: each piece of work that takes a place on its nodes makes it larger by one, until it is as large as
/// the group.
class PlaceQueue {
 public:
  explicit PlaceQueue(WorkTable& works) : works_(works) {}

  struct Next {
    WorkId work{};
    std::uint64_t item = 0;
    std::uint64_t count = 1;  ///< that wait in a row, this one among them
    std::size_t ranks = 1;    ///< places for each
    bool group = false;
    std::uint64_t memory = 0;  ///< bytes for each place
    int priority = 0;
  };

  [[nodiscard]] bool empty() const noexcept { return given_back_.empty() && queue_.empty(); }
  /// Items of a work have come, behind so many others.
  void append(WorkId work, std::uint64_t behind);
  /// To be run once more, before all others.
  void give_back(const Range& range);

  /// The `nth` of those that may begin now `gone` items have been handed out; nothing if there are not so many. Of each
  /// work one stands in line.
  [[nodiscard]] std::optional<Next> at(std::size_t nth, std::uint64_t gone);
  /// So many items from that one on have begun, or were given up.
  void take(const Next& next, std::uint64_t count = 1);

  /// Places that are kept for the first in line.
  [[nodiscard]] std::size_t reserve() const noexcept { return reserve_; }
  void overtaken(std::size_t by) noexcept { reserve_ += by; }

  /// Takes all that waits of one work, or all that waits.
  std::vector<Range> withdraw(WorkId work);
  std::vector<Range> withdraw_all();

 private:
  struct InLine {
    WorkId work{};
    std::uint64_t behind = 0;
    int priority = 0;
  };
  [[nodiscard]] Next next_of(const Range& range);
  [[nodiscard]] std::vector<Range> rest_of(WorkId work);
  void tidy();

  WorkTable& works_;
  std::deque<Range> given_back_;
  std::deque<InLine> queue_;
  std::size_t reserve_ = 0;
};

}  // namespace rankpool::schedule
