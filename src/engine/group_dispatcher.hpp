#pragma once

#include "base/ids.hpp"
#include "engine/group_fate.hpp"
#include "engine/loss_book.hpp"
#include "engine/pool_state.hpp"
#include "engine/task_events.hpp"
#include "engine/workers.hpp"
#include "schedule/scheduler.hpp"
#include "wire/frame_headers.hpp"
#include "wire/group.hpp"

#include <rankpool/detail/result_receiver.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rankpool::engine {

/// Tasks of several ranks: starts the processes of a group, passes between its nurseries what they have to say to each
/// other, and makes one outcome of those of its ranks.
///
///     StartGroup ──► nurseries (one on each node) and ranks are started
///     environments ──► ranks join: MPI_Init, initializer, task ──► outcomes ──► GroupFate
///     well: ranks are told to stop (MPI_Finalize) ──► gone ──► nurseries are killed ──► group_ended
///     else: ranks are killed                      ──► gone ──► nurseries are killed ──► group_ended
///
/// Engine thread.
class GroupDispatcher {
 public:
  using Time = schedule::Time;

  /// `events`: who is told, or null.
  GroupDispatcher(Workers& workers, LossBook& losses, schedule::Scheduler& scheduler,
                  const std::shared_ptr<TaskEvents>& events)
      : workers_(workers), losses_(losses), scheduler_(scheduler), events_(events) {}
  GroupDispatcher(const GroupDispatcher&) = delete;
  GroupDispatcher& operator=(const GroupDispatcher&) = delete;

  /// `receiver` has agreed to begin. `label`: or null; `cores`: of the whole job.
  void start(const schedule::StartGroup& action, std::shared_ptr<PoolState> pool,
             detail::Ref<detail::ResultReceiver> receiver, std::shared_ptr<const detail::WorkLabel> label, int cores);
  void kill(GroupId group, int signal);
  [[nodiscard]] bool has(WorkerId worker) const { return group_of_.contains(worker); }

  // What the processes say and do, for those that it `has`.
  /// False if the frame makes no sense.
  bool handle_frame(WorkerId id, const Worker& worker, const wire::FrameHeader& header,
                    std::span<const std::byte> payload, detail::Bytes* owned);
  void worker_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end);
  void worker_failed_to_start(WorkerId id, const Worker& worker, const std::string& why);
  void lost_with_rank(WorkerId id, schedule::LossId loss);

  void tick(Time now);
  [[nodiscard]] std::optional<Time> next_deadline() const;

 private:
  struct Outcome {
    wire::FrameKind kind{};
    detail::Bytes bytes;
  };
  struct Member {
    WorkerId id{};
    RankEntry* at = nullptr;
    pid_t pid = 0;  ///< once it is known
    bool ready = false;
    bool gone = false;
    std::optional<Outcome> outcome;
  };
  struct Nursery {
    WorkerId id{};
    bool answered = false;
    bool gone = false;
    std::uint32_t first = 0;  ///< member
    std::uint32_t ranks = 0;
  };
  enum class Phase : std::uint8_t { starting, running, leaving, dying };
  struct Group {
    Group(GroupId own, std::size_t ranks, std::size_t nodes)
        : id(own), members(ranks), nurseries(nodes), fate(ranks, nodes) {}
    const GroupId id;
    ChunkId chunk{};
    WorkId work{};
    std::uint64_t item = 0;
    std::shared_ptr<PoolState> pool;
    detail::Ref<detail::ResultReceiver> receiver;
    std::shared_ptr<const detail::WorkLabel> label;  ///< or null
    std::vector<Member> members;
    std::vector<Nursery> nurseries;
    GroupFate fate;
    Phase phase = Phase::starting;
    std::size_t ready = 0;
    std::optional<Time> began;
    std::optional<Time> until;  ///< when patience with its phase ends
    bool item_over = false;     ///< it has an outcome, or somebody else has seen to that
    bool nurseries_killed = false;
    bool timed = false;                         ///< the first process tells when it began and ended
    std::optional<detail::Bytes> times;         ///< what it has told
    std::optional<schedule::Nanoseconds> busy;  ///< for a ChunkDone that waits for its times
    std::map<std::uint64_t, std::map<std::size_t, detail::Bytes>> fences;  ///< parts that have come, by node
  };

  [[nodiscard]] Group* find(WorkerId id);
  [[nodiscard]] static std::optional<std::size_t> member_number(const Group& group, WorkerId id);
  [[nodiscard]] static std::optional<std::size_t> nursery_number(const Group& group, WorkerId id);
  void start_process(WorkerId id, Rank rank, const Group& group, bool nursery);
  void send(WorkerId id, const wire::FrameHeader& header, const detail::Gather& body,
            const detail::Ref<detail::ResultReceiver>& owner = {});
  void send_task(Group& group, std::size_t member, const wire::Variables& variables);

  // group_nurseries.cpp
  bool handle_nursery(Group& group, std::size_t node, WorkerId id, const Worker& worker,
                      const wire::NurseryHeader& header, std::span<const std::byte> payload);
  bool handle_environments(Group& group, std::size_t node, std::span<const std::byte> payload);
  bool handle_fence(Group& group, std::size_t node, std::uint64_t number, std::span<const std::byte> part);
  // group_dispatcher.cpp
  bool handle_outcome(Group& group, std::size_t member, const wire::OutcomeHeader& header,
                      std::span<const std::byte> payload, detail::Bytes* owned);
  bool handle_times(Group& group, std::size_t member, const wire::OutcomeHeader& header,
                    std::span<const std::byte> payload);
  void tell_chunk_done(Group& group);
  void cannot_start(Group& group, schedule::LossId loss);

  /// What follows from what has happened. The group may be gone afterwards.
  void update(Group& group);
  void give_out(Group& group, std::size_t member);
  void kill_members(Group& group, int signal);
  void gone(WorkerId id, Group& group);

  template <class Make>
  void tell(Make&& make) {
    if (events_) events_->tell(make());
  }

  Workers& workers_;
  LossBook& losses_;
  schedule::Scheduler& scheduler_;
  const std::shared_ptr<TaskEvents>& events_;
  std::map<GroupId, Group> groups_;
  std::map<WorkerId, GroupId> group_of_;
  Time now_{0};
};

}  // namespace rankpool::engine
