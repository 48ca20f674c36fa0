#include "engine/group_dispatcher.hpp"

#include "base/cores.hpp"
#include "engine/task_recorder.hpp"

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <string_view>
#include <utility>

namespace rankpool::engine {
namespace {

/// Starting a process and MPI_Init take a tenth of a second where nothing is wrong.
constexpr std::chrono::seconds kStart{60};
/// MPI_Finalize waits for all ranks, and may run what users have attached to it.
constexpr std::chrono::seconds kLeave{5};

}  // namespace

// -- starting

void GroupDispatcher::start(const schedule::StartGroup& action, std::shared_ptr<PoolState> pool,
                            detail::Ref<detail::ResultReceiver> receiver,
                            std::shared_ptr<const detail::WorkLabel> label, int cores) {
  wire::GroupPlan plan;
  // Open MPI makes a number of the name: it is to be another one for every group of this user's on these nodes.
  plan.name =
      "rankpool-" + base::host_name() + "-" + std::to_string(::getpid()) + "-" + std::to_string(raw(action.group));
  plan.oversubscribed = pool->max_workers > cores;
  std::vector<Rank> first_ranks;
  for (const Rank rank : action.ranks) {
    const RankFacts& facts = workers_.rank(rank).facts;
    if (plan.nodes.empty() || plan.nodes.back().host != facts.host) {
      plan.nodes.push_back({facts.host, 0});
      first_ranks.push_back(rank);
    }
    if (++plan.nodes.back().ranks > static_cast<std::uint32_t>(facts.cores_of_node)) plan.oversubscribed = true;
  }
  Group& group = groups_.try_emplace(action.group, action.group, action.ranks.size(), plan.nodes.size()).first->second;
  group.chunk = action.chunk;
  group.work = action.work;
  group.item = action.item;
  group.pool = std::move(pool);
  group.receiver = std::move(receiver);
  group.label = std::move(label);
  group.until = now_ + kStart;
  std::uint32_t next = raw(action.first_worker);
  for (Member& member : group.members) member.id = WorkerId{next++};
  for (std::size_t i = 0; i < group.nurseries.size(); ++i) {
    Nursery& nursery = group.nurseries[i];
    nursery.id = WorkerId{next++};
    nursery.first = plan.first_on(i);
    nursery.ranks = plan.nodes[i].ranks;
    start_process(nursery.id, first_ranks[i], group, true);
    plan.node = static_cast<std::uint32_t>(i);
    const detail::Bytes bytes = wire::encode(plan);
    send(nursery.id, wire::FrameHeader(wire::FrameKind::serve_group, bytes.size()), {bytes.view()});
  }
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    group.members[i].at = &workers_.rank(action.ranks[i]);
    start_process(group.members[i].id, action.ranks[i], group, false);
  }
  // Whoever listens has to know the worker first.
  tell([&] {
    detail::Gather gather;
    const std::size_t head = group.receiver->gather(group.item, 1, gather);
    return ChunkSent{group.members.front().id, group.chunk,          group.work, group.item, 1,
                     size_of(gather) - head,   head_of(gather, head)};
  });
}

void GroupDispatcher::start_process(WorkerId id, Rank rank, const Group& group, bool nursery) {
  RankEntry& at = workers_.rank(rank);
  Worker& worker = workers_.add(id, at, group.pool);
  group_of_[id] = group.id;
  if (!nursery) {
    worker.tally = &group.pool->tally.worker_started(raw(id), raw(rank), at.facts.host, now_.count());
  }
  if (!nursery) tell([&] { return WorkerStarted{id, group.pool->id, rank}; });
  const auto origin = nursery ? base::WorkerOrigin::forked_with_folders : origin_of(group.pool->mp_context);
  if (RankPort* const port = workers_.port_to(at)) port->start(id, origin);
}

void GroupDispatcher::send(WorkerId id, const wire::FrameHeader& header, const detail::Gather& body,
                           const detail::Ref<detail::ResultReceiver>& owner) {
  if (RankPort* const port = workers_.port_to(id)) {
    port->write(id, std::as_bytes(std::span(&header, 1)), body, owner);
  }
}

void GroupDispatcher::send_task(Group& group, std::size_t number, const wire::Variables& variables) {
  const WorkerId id = group.members[number].id;
  const Worker* const worker = workers_.find(id);
  if (worker == nullptr) return;
  const detail::Bytes environment = wire::encode(std::vector<wire::Variables>{variables});
  send(id, wire::FrameHeader(wire::FrameKind::join_group, environment.size()), {environment.view()});

  const detail::Bytes identity = init_payload(id, *worker);
  send(id, wire::FrameHeader(wire::FrameKind::init, identity.size()), {identity.view()});

  detail::Gather gather;
  wire::ChunkHeader chunk;
  chunk.flags = number == 0 ? wire::FrameFlag::announce : wire::FrameFlag::announce_only;
  if (events_ && events_->wants_times()) {
    chunk.flags = chunk.flags | wire::FrameFlag::memory;
    if (number == 0) chunk.flags = chunk.flags | wire::FrameFlag::timed;
    group.timed = true;
  }
  chunk.items = 1;
  chunk.chunk = raw(group.chunk);
  chunk.head = group.receiver->gather(group.item, 1, gather);
  const std::size_t size = size_of(gather);
  const bool named = group.label && !group.label->name.empty();
  if (worker->tally != nullptr) {
    const std::uint64_t bytes = number == 0 ? size - chunk.head : 0;
    group.pool->tally.sent(*worker->tally, raw(group.chunk),
                           named ? std::string_view(group.label->name) : text_of(head_of(gather, chunk.head)), bytes,
                           now_.count());
  }
  if (named) {
    const std::string& name = group.label->name;
    send(id, wire::FrameHeader(wire::FrameKind::name, name.size()), {std::as_bytes(std::span(name))});
  }
  send(id, chunk.frame(size), gather, group.receiver);
}

// -- frames

bool GroupDispatcher::handle_frame(WorkerId id, const Worker& worker, const wire::FrameHeader& header,
                                   std::span<const std::byte> payload, detail::Bytes* owned) {
  Group* const group = find(id);
  if (group == nullptr) return true;
  if (const auto node = nursery_number(*group, id)) {
    return header.kind == wire::FrameKind::nursery &&
           handle_nursery(*group, *node, id, worker, wire::NurseryHeader::of(header), payload);
  }
  const auto number = member_number(*group, id);
  if (!number) return false;
  Member& member = group->members[*number];
  switch (header.kind) {
    case wire::FrameKind::ready:
      if (std::exchange(member.ready, true)) return false;
      tell([&] { return WorkerReady{id, worker.pid}; });
      if (++group->ready == group->members.size() && group->phase == Phase::starting) {
        group->phase = Phase::running;
        group->until.reset();
      }
      return true;
    case wire::FrameKind::init_failed:
      group->item_over = true;
      scheduler_.group_initializer_failed(group->id, losses_.initializer_failed(id, worker, payload));
      return true;
    case wire::FrameKind::began:
      if (*number != 0) {
        tell([&] { return RankBegan{id, group->work, group->item, static_cast<std::uint32_t>(*number)}; });
      }
      if (!group->began) {
        group->began = now_;
        tell([&] { return ItemBegan{group->members.front().id, group->work, group->item}; });
      }
      scheduler_.group_began(group->id);
      return true;
    case wire::FrameKind::values:
    case wire::FrameKind::value:
    case wire::FrameKind::error:
    case wire::FrameKind::skipped:
      return handle_outcome(*group, *number, wire::OutcomeHeader::of(header), payload, owned);
    case wire::FrameKind::times:
      return handle_times(*group, *number, wire::OutcomeHeader::of(header), payload);
    case wire::FrameKind::memory: {
      const auto memory = wire::MemoryHeader::of(header);
      tell([&] { return WorkerMemory{id, memory.resident, memory.peak}; });
      return payload.empty();
    }
    default:
      return false;
  }
}

// -- what ranks do

bool GroupDispatcher::handle_outcome(Group& group, std::size_t number, const wire::OutcomeHeader& header,
                                     std::span<const std::byte> payload, detail::Bytes* owned) {
  if (header.chunk != raw(group.chunk) || header.items > 1) return false;
  if (header.items == 0) {  // the end of the chunk
    if (number == 0) tell_chunk_done(group);
    return true;
  }
  Member& member = group.members[number];
  if (member.outcome || header.first != 0) return false;
  member.outcome.emplace(Outcome{header.kind, {}});
  if (number != 0) tell([&] { return RankEnded{member.id}; });
  const bool threw = header.kind == wire::FrameKind::error;
  if (threw || number == 0) member.outcome->bytes = owned != nullptr ? std::move(*owned) : detail::Bytes(payload);
  if (threw) {
    group.fate.threw(number, now_);
  } else {
    group.fate.returned(number);
  }
  update(group);
  return true;
}

bool GroupDispatcher::handle_times(Group& group, std::size_t number, const wire::OutcomeHeader& header,
                                   std::span<const std::byte> payload) {
  if (header.chunk != raw(group.chunk) || header.first != 0 || header.items != 1 || number != 0 || !group.timed ||
      payload.size() != 2 * sizeof(std::uint64_t)) {
    return false;
  }
  group.times = detail::Bytes(payload);
  return true;
}

/// Of an item that was given out, once the first process has told its times, or will not any more.
void GroupDispatcher::tell_chunk_done(Group& group) {
  const auto busy = std::exchange(group.busy, std::nullopt);
  if (!busy) return;
  const WorkerId first = group.members.front().id;
  if (group.times) {
    tell([&] { return ItemTimes{first, group.chunk, group.work, group.item, 1, group.times->view()}; });
  }
  tell([&] { return ChunkDone{first, group.chunk, *busy}; });
}

void GroupDispatcher::worker_ended(WorkerId id, const Worker& worker, const host::WorkerEnd& end) {
  Group* const group = find(id);
  if (group == nullptr) return;
  if (const auto number = member_number(*group, id)) group->members[*number].pid = worker.pid;
  const bool expected = group->item_over || (group->phase == Phase::dying && WIFSIGNALED(end.wait_status) &&
                                             WTERMSIG(end.wait_status) == SIGKILL);
  if (!expected) {
    const auto number = member_number(*group, id);
    const auto how = !number                        ? GroupFate::Death::server
                     : WIFSIGNALED(end.wait_status) ? GroupFate::Death::by_signal
                                                    : GroupFate::Death::exited;
    const auto loss = number ? losses_.worker_ended(id, worker, end, GroupPlace{*number, group->members.size()})
                             : losses_.nursery_ended(id, worker, end);
    group->fate.died(how, loss, now_, number);
  }
  gone(id, *group);
}

void GroupDispatcher::worker_failed_to_start(WorkerId id, const Worker& worker, const std::string& why) {
  Group* const group = find(id);
  if (group == nullptr) return;
  const bool nursery = nursery_number(*group, id).has_value();
  const auto loss = losses_.failed_to_start(id, worker, why);
  if (!group->item_over) {
    if (nursery) {
      group->item_over = true;
      scheduler_.group_cannot_start(group->id, loss);
      kill_members(*group, SIGKILL);
    } else {
      group->fate.died(GroupFate::Death::exited, loss, now_, member_number(*group, id));
    }
  }
  gone(id, *group);
}

void GroupDispatcher::lost_with_rank(WorkerId id, schedule::LossId loss) {
  Group* const group = find(id);
  if (group == nullptr) return;
  if (!group->item_over) group->fate.died(GroupFate::Death::rank_lost, loss, now_);
  gone(id, *group);
}

void GroupDispatcher::gone(WorkerId id, Group& group) {
  if (const auto number = member_number(group, id)) {
    group.members[*number].gone = true;
    if (*number == 0) tell_chunk_done(group);
    tell([&] { return WorkerGone{id, group.phase == Phase::starting || group.phase == Phase::running}; });
  }
  if (const auto number = nursery_number(group, id)) group.nurseries[*number].gone = true;
  group_of_.erase(id);
  update(group);
}

// -- what follows

void GroupDispatcher::update(Group& group) {
  if (!group.item_over && group.phase != Phase::dying) {
    switch (group.fate.verdict(now_)) {
      case GroupFate::Verdict::undecided:
        break;
      case GroupFate::Verdict::well: {
        group.phase = Phase::leaving;
        group.until = now_ + kLeave;
        const wire::FrameHeader stop(wire::FrameKind::stop);
        for (const Member& member : group.members) send(member.id, stop, {});
        give_out(group, 0);
        break;
      }
      case GroupFate::Verdict::threw:
        kill_members(group, SIGKILL);
        give_out(group, group.fate.thrower());
        break;
      case GroupFate::Verdict::lost:
        kill_members(group, SIGKILL);
        break;
    }
  }
  const auto is_gone = [](const auto& process) { return process.gone; };
  if (!std::all_of(group.members.begin(), group.members.end(), is_gone)) return;
  if (!std::exchange(group.nurseries_killed, true)) {
    for (const Nursery& nursery : group.nurseries) {
      if (nursery.gone) continue;
      if (RankPort* const port = workers_.port_to(nursery.id)) port->kill(nursery.id, SIGKILL);
    }
    // What they said last may still tell who called MPI_Abort.
    if (group.phase != Phase::leaving) group.phase = Phase::dying;
  }
  if (!std::all_of(group.nurseries.begin(), group.nurseries.end(), is_gone)) return;
  const GroupId id = group.id;
  const schedule::LossId culprit = group.fate.culprit();
  groups_.erase(id);
  scheduler_.group_ended(id, culprit);
}

void GroupDispatcher::give_out(Group& group, std::size_t number) {
  group.item_over = true;
  Outcome& outcome = *group.members[number].outcome;
  const std::uint64_t bytes = outcome.bytes.size();
  switch (outcome.kind) {
    case wire::FrameKind::values:
      group.receiver->values(group.item, 1, outcome.bytes);
      break;
    case wire::FrameKind::value:
      group.receiver->value(group.item, std::move(outcome.bytes));
      break;
    case wire::FrameKind::error:
      group.receiver->error(group.item, std::move(outcome.bytes));
      break;
    default:
      group.receiver->skipped(group.item, 1);
      break;
  }
  const WorkerId first = group.members.front().id;
  const auto how = outcome.kind == wire::FrameKind::error     ? ItemsEnded::How::error
                   : outcome.kind == wire::FrameKind::skipped ? ItemsEnded::How::skipped
                                                              : ItemsEnded::How::value;
  const auto busy = now_ - group.began.value_or(now_);
  watch::Tally& tally = group.pool->tally;
  tally.outcome(how == ItemsEnded::How::value ? watch::Outcome::done : watch::Outcome::error, 1, bytes);
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const Worker* const member = workers_.find(group.members[i].id);
    if (member == nullptr || member->tally == nullptr) continue;
    if (i == 0) {
      tally.chunk_done(*member->tally, raw(group.chunk), group.item, 1, static_cast<std::uint64_t>(busy.count()),
                       now_.count());
    } else {
      tally.broke_off(*member->tally, now_.count());
    }
  }
  tell([&] { return ItemsEnded{first, group.chunk, group.work, group.item, 1, how, bytes}; });
  group.busy = busy;
  if (number != 0 || !group.timed || group.times) tell_chunk_done(group);
  scheduler_.group_item_ended(group.id);
}

void GroupDispatcher::kill_members(Group& group, int signal) {
  group.phase = Phase::dying;
  group.until.reset();
  for (const Member& member : group.members) {
    if (member.gone) continue;
    if (RankPort* const port = workers_.port_to(member.id)) port->kill(member.id, signal);
  }
}

void GroupDispatcher::kill(GroupId id, int signal) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  found->second.item_over = true;
  kill_members(found->second, signal);
}

void GroupDispatcher::tick(Time now) {
  now_ = now;
  std::vector<GroupId> due;
  for (auto& [id, group] : groups_) {
    const auto judged = group.fate.next_deadline();
    if ((group.until && now >= *group.until) || (judged && now >= *judged)) due.push_back(id);
  }
  for (const GroupId id : due) {
    Group& group = groups_.at(id);
    if (group.until && now >= *group.until) {
      if (group.phase == Phase::starting) {
        group.fate.died(GroupFate::Death::server, losses_.group_did_not_start(kStart), now_);
      } else {
        kill_members(group, SIGKILL);
      }
      group.until.reset();
    }
    update(group);
  }
}

std::optional<GroupDispatcher::Time> GroupDispatcher::next_deadline() const {
  std::optional<Time> next;
  for (const auto& [id, group] : groups_) {
    for (const auto& one : {group.until, group.fate.next_deadline()}) {
      if (one && (!next || *one < *next)) next = one;
    }
  }
  return next;
}

GroupDispatcher::Group* GroupDispatcher::find(WorkerId id) {
  const auto known = group_of_.find(id);
  if (known == group_of_.end()) return nullptr;
  const auto found = groups_.find(known->second);
  return found == groups_.end() ? nullptr : &found->second;
}

std::optional<std::size_t> GroupDispatcher::member_number(const Group& group, WorkerId id) {
  const std::size_t number = raw(id) - raw(group.members.front().id);
  return raw(id) >= raw(group.members.front().id) && number < group.members.size() ? std::optional(number)
                                                                                   : std::nullopt;
}

std::optional<std::size_t> GroupDispatcher::nursery_number(const Group& group, WorkerId id) {
  const std::size_t number = raw(id) - raw(group.nurseries.front().id);
  return raw(id) >= raw(group.nurseries.front().id) && number < group.nurseries.size() ? std::optional(number)
                                                                                       : std::nullopt;
}

}  // namespace rankpool::engine
