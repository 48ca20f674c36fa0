#pragma once

#include "base/ids.hpp"
#include "schedule/chunk_policy.hpp"
#include "schedule/look_ahead.hpp"
#include "schedule/work_table.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace rankpool::schedule {

/// Items of one piece of work that stand in a row.
struct Range {
  WorkId work{};
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  std::uint32_t batched = 1;  ///< chunks of the size that the caller chose
};

/// What a pool has still to hand out: works by priority, and of one priority in the order in which they came; before
/// them all what was handed out to a worker that was lost. Chunks are cut here.
class Backlog {
 public:
  explicit Backlog(WorkTable& works) : works_(works) {}

  /// Items that wait.
  [[nodiscard]] std::uint64_t items() const noexcept { return items_; }
  [[nodiscard]] bool empty() const noexcept { return items_ == 0; }
  /// Items that have ever come, and of these how many wait no longer.
  [[nodiscard]] std::uint64_t come() const noexcept { return come_; }
  [[nodiscard]] std::uint64_t gone() const noexcept { return come_ - items_; }
  /// Items that wait and go before a work of that priority that comes now.
  [[nodiscard]] std::uint64_t before(int priority) const noexcept;
  /// Whether any item waits whose priority is higher.
  [[nodiscard]] bool any_above(int priority) const noexcept;
  /// Whether more than `few` chunks wait; of the works that are not first each counts as one.
  [[nodiscard]] bool more_chunks_than(std::uint64_t few, Crew crew) const;

  /// Whether it is known how long the next chunk may last, from others of its work; single tasks are taken to be like
  /// those before them.
  [[nodiscard]] bool next_is_known() const;
  /// Whether the next chunk is short only because little is known of its work.
  [[nodiscard]] bool next_is_growing(Crew crew, const LookAhead& look_ahead) const;
  /// Whether all that waits is of one work, which a worker would be through with within `limit`, as far as is known.
  [[nodiscard]] bool takes_less_than(Nanoseconds limit) const;
  /// `batched` where others of its work may go with the next chunk.
  [[nodiscard]] ChunkSize next_size() const;

  /// `more` items at the end of a work are new. A work that had run dry comes last again.
  void append(WorkId work, std::uint64_t more);
  /// The next to be handed out, before all else. What was given back together is never batched with anything.
  void give_back(Range range);
  /// Cuts the next chunk, if there is any item; or up to `most` chunks of a size that the caller chose, in one.
  std::optional<Range> take(Crew crew, std::uint32_t most = 1);

  /// Items of the next chunk of a work of which so many wait.
  [[nodiscard]] std::uint32_t size_of_next(WorkId work, std::uint64_t waiting, Crew crew) const;

  /// Takes all that waits of one work.
  std::vector<Range> withdraw(WorkId work);
  /// Takes all that waits.
  std::vector<Range> withdraw_all();

 private:
  /// The work of the next chunk; null for a single task, or if there is none.
  [[nodiscard]] const ManyItems* next_of_many() const;
  void tidy();

  /// Works of one priority.
  struct Line {
    std::deque<WorkId> works;  ///< singles, and others while `ManyItems::queued`; may name what was withdrawn since
    std::uint64_t items = 0;   ///< that wait
    int priority = 0;
  };
  [[nodiscard]] Line& line_of(int priority);
  /// The line whose front goes next; null if there is none.
  [[nodiscard]] Line* next_line() noexcept;
  [[nodiscard]] const Line* next_line() const noexcept { return const_cast<Backlog*>(this)->next_line(); }
  void pop(Line& line);

  WorkTable& works_;
  std::uint64_t items_ = 0;
  std::uint64_t come_ = 0;
  std::deque<Range> given_back_;
  Line usual_;                                     ///< of priority 0
  std::map<int, Line, std::greater<int>> others_;  ///< not empty
  std::size_t in_line_ = 0;                        ///< works in all of them
  std::size_t withdrawn_ = 0;                      ///< of these
};

}  // namespace rankpool::schedule
