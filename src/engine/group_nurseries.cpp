#include "engine/group_dispatcher.hpp"
#include "engine/task_recorder.hpp"
#include "wire/messages.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

// What the nurseries of a group say: to the engine, and through it to each other.
namespace rankpool::engine {
namespace {

/// Rounds of exchange that may be open at a time; PMIx has one or two.
constexpr std::size_t kMostFences = 64;

}  // namespace

bool GroupDispatcher::handle_nursery(Group& group, std::size_t node, WorkerId id, const Worker& worker,
                                     const wire::NurseryHeader& header, std::span<const std::byte> payload) {
  switch (header.word) {
    case wire::NurseryWord::environments:
      return handle_environments(group, node, payload);
    case wire::NurseryWord::failed:
      cannot_start(group,
                   losses_.no_groups_on(id, worker, {reinterpret_cast<const char*>(payload.data()), payload.size()}));
      return true;
    case wire::NurseryWord::fence:
      return handle_fence(group, node, header.number, payload);
    case wire::NurseryWord::data_wanted: {
      if (header.rank >= group.members.size()) return false;
      const auto there = std::find_if(group.nurseries.begin(), group.nurseries.end(), [&](const Nursery& nursery) {
        return header.rank < nursery.first + std::uint64_t{nursery.ranks};
      });
      const wire::NurseryHeader question{wire::NurseryWord::asked, header.number, header.rank, node};
      send(there->id, question.frame(0), {});
      return true;
    }
    case wire::NurseryWord::data: {
      if (header.node >= group.nurseries.size()) return false;
      const wire::NurseryHeader answer{wire::NurseryWord::answer, header.number};
      send(group.nurseries[static_cast<std::size_t>(header.node)].id, answer.frame(payload.size()), {payload});
      return true;
    }
    case wire::NurseryWord::aborted: {
      if (header.rank >= group.members.size()) return false;
      const auto number = static_cast<std::size_t>(header.rank);
      if (group.item_over) return true;
      Member& member = group.members[number];
      if (const Worker* const living = workers_.find(member.id)) member.pid = living->pid;
      Worker as_it_was;
      as_it_was.rank = member.at->facts.rank;
      as_it_was.at = member.at;
      as_it_was.pid = member.pid;
      const auto loss = losses_.aborted(member.id, as_it_was, header.status, {number, group.members.size()});
      group.fate.died(GroupFate::Death::aborted, loss, now_, number);
      update(group);
      return true;
    }
    default:
      return false;
  }
}

bool GroupDispatcher::handle_environments(Group& group, std::size_t node, std::span<const std::byte> payload) {
  Nursery& nursery = group.nurseries[node];
  std::vector<wire::Variables> environments;
  try {
    environments = wire::decode_environments(payload);
  } catch (const wire::ProtocolError&) {
    return false;
  }
  if (environments.size() != nursery.ranks || std::exchange(nursery.answered, true)) return false;
  if (group.phase != Phase::starting || group.item_over) return true;
  for (std::uint32_t i = 0; i < nursery.ranks; ++i) send_task(group, nursery.first + i, environments[i]);
  return true;
}

/// What all have put forward is what all get: libpmix takes the parts asunder again.
bool GroupDispatcher::handle_fence(Group& group, std::size_t node, std::uint64_t number,
                                   std::span<const std::byte> part) {
  auto& parts = group.fences[number];
  if (group.fences.size() > kMostFences || !parts.try_emplace(node, part).second) return false;
  if (parts.size() < group.nurseries.size()) return true;
  detail::Gather all;
  for (const auto& [from, bytes] : parts) all.push_back(bytes.view());
  const auto header = wire::NurseryHeader{wire::NurseryWord::fence_done, number}.frame(size_of(all));
  for (const Nursery& nursery : group.nurseries) send(nursery.id, header, all);
  group.fences.erase(number);
  return true;
}

void GroupDispatcher::cannot_start(Group& group, schedule::LossId loss) {
  if (std::exchange(group.item_over, true)) return;
  scheduler_.group_cannot_start(group.id, loss);
  kill_members(group, SIGKILL);
  update(group);
}

}  // namespace rankpool::engine
