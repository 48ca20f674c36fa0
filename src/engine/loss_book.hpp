#pragma once

#include "base/ids.hpp"
#include "engine/rank_port.hpp"
#include "engine/workers.hpp"
#include "schedule/scheduler.hpp"

#include <rankpool/detail/result_receiver.hpp>
#include <rankpool/errors.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace rankpool::engine {

/// A process among those of its group.
struct GroupPlace {
  std::size_t rank = 0;
  std::size_t of = 0;
};

/// What was lost and how, and what users are told of it. The scheduler sees only the numbers of the entries. Engine
/// thread.
class LossBook {
 public:
  // Each notes a loss, and logs it if it is news.
  schedule::LossId worker_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end,
                                std::optional<GroupPlace> place = {});
  schedule::LossId failed_to_start(WorkerId id, const Worker& worker, const std::string& why);
  /// `error`: an encoded exception.
  schedule::LossId initializer_failed(WorkerId id, const Worker& worker, std::span<const std::byte> error);
  schedule::LossId rank_lost(const RankFacts& rank, const RankEnd& end);
  // Of groups.
  schedule::LossId aborted(WorkerId id, const Worker& worker, int status, GroupPlace place);
  schedule::LossId nursery_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end);
  /// A node cannot run groups.
  schedule::LossId no_groups_on(WorkerId id, const Worker& worker, const std::string& why);
  schedule::LossId group_did_not_start(std::chrono::seconds within);

  /// Why items failed.
  [[nodiscard]] detail::FailurePtr failure(schedule::Reason reason, schedule::LossId loss,
                                           std::string_view name = {}) const;
  /// Why a pool broke.
  [[nodiscard]] detail::FailurePtr breakage(schedule::Breakage why, schedule::LossId loss) const;

 private:
  schedule::LossId note(Loss loss);
  [[nodiscard]] const Loss* find(schedule::LossId id) const;

  std::deque<Loss> losses_;  ///< the latest; the last one has the number `last_`
  std::uint32_t last_ = 0;
};

}  // namespace rankpool::engine
