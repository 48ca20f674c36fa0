// A task of several ranks as the engine runs it: which processes it starts, what it passes between them, and what it
// makes of what they do.
#include "engine/group_dispatcher.hpp"

#include "unit/engine/fakes.hpp"
#include "wire/frame_headers.hpp"

#include <csignal>
#include <optional>

namespace rankpool::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using wire::FrameKind;
using wire::NurseryWord;

constexpr PoolId kPool{0};
constexpr WorkId kWork{9};
constexpr GroupId kGroup{0};

/// Two nodes with a rank each, and a pool of two workers on the first and one on the other. A group of three has the
/// processes 3, 4 on node 0 and 5 on node 1; its nurseries are 6 and 7.
class GroupTasks : public testing::Test {
 protected:
  static constexpr std::uint32_t kMember = 3;
  static constexpr std::uint32_t kNursery = 6;

  GroupTasks() {
    for (const int rank : {0, 1}) {
      workers.set_port(Rank{rank}, &ports[static_cast<std::size_t>(rank)]);
      RankFacts facts = facts_of(rank);
      facts.cores_of_node = 2;
      workers.rank(Rank{rank}).facts = facts;
      scheduler.rank_joined(Rank{rank}, 2 - rank);
    }
    groups.tick(schedule::Time{1});
    pool->id = kPool;
    pool->max_workers = 3;
    pool->initializer = detail::Bytes(bytes_of("initializer"));
  }
  void open(bool replace = true) {
    schedule::PoolPolicy policy;
    policy.max_workers = 3;
    policy.replace_lost_workers = replace;
    scheduler.pool_opened(kPool, policy);
    for (std::uint32_t i = 0; i < 3; ++i) scheduler.worker_ready(WorkerId{i});
    actions();
  }
  /// Starts a group of three, as the scheduler says.
  void start(std::shared_ptr<const detail::WorkLabel> label = nullptr) {
    schedule::WorkSpec spec;
    spec.chunk = 1;
    spec.ranks = 3;
    scheduler.work_submitted(kPool, kWork, spec);
    receiver = detail::Ref<detail::ResultReceiver>(new FakeReceiver(notes));
    for (const auto& action : actions()) {
      if (const auto* begin = std::get_if<schedule::StartGroup>(&action)) {
        ASSERT_EQ(begin->first_worker, WorkerId{kMember});
        groups.start(*begin, pool, receiver, label, 3);
      }
    }
  }
  FakePort& port_of(std::uint32_t worker) { return ports[worker == 5 || worker == 7 ? 1 : 0]; }
  /// A process says something. False if that made no sense.
  bool say(std::uint32_t worker, wire::FrameHeader header, const std::string& payload = {}) {
    header.length = payload.size();
    return groups.handle_frame(WorkerId{worker}, *workers.find(WorkerId{worker}), header, bytes_of(payload), nullptr);
  }
  bool say(std::uint32_t worker, FrameKind kind, std::uint32_t count = 0, const std::string& payload = {}) {
    wire::FrameHeader header;
    header.kind = kind;
    header.count = count;
    return say(worker, header, payload);
  }
  bool nursery_says(std::uint32_t nursery, wire::NurseryHeader header, const std::string& payload = {}) {
    return say(kNursery + nursery, header.frame(payload.size()), payload);
  }
  bool environments(std::uint32_t nursery, std::size_t ranks) {
    const detail::Bytes bytes = wire::encode(std::vector<wire::Variables>(ranks, {"A=1"}));
    return nursery_says(nursery, {NurseryWord::environments}, text_of(bytes));
  }
  /// Up to the moment when all ranks are in the task.
  void run() {
    start();
    EXPECT_TRUE(environments(0, 2));
    EXPECT_TRUE(environments(1, 1));
    for (std::uint32_t i = 0; i < 3; ++i) {
      workers.find(WorkerId{kMember + i})->pid = 1000 + static_cast<int>(i);
      EXPECT_TRUE(say(kMember + i, FrameKind::ready));
      EXPECT_TRUE(say(kMember + i, FrameKind::began));
    }
    for (FakePort& port : ports) port.frames.clear();
  }
  bool ends(std::uint32_t member, FrameKind kind, const std::string& payload = {}) {
    return say(kMember + member, kind, 1, payload);
  }
  void gone(std::uint32_t worker, int wait_status) {
    Worker* const process = workers.find(WorkerId{worker});
    ASSERT_NE(process, nullptr);
    groups.worker_ended(WorkerId{worker}, *process, {process->pid, wait_status, false});
    workers.erase(WorkerId{worker});
  }
  void all_members_gone(int wait_status) {
    for (std::uint32_t i = 0; i < 3; ++i) {
      if (workers.find(WorkerId{kMember + i}) != nullptr) gone(kMember + i, wait_status);
    }
  }
  void nurseries_gone() {
    gone(kNursery, SIGKILL);
    gone(kNursery + 1, SIGKILL);
  }
  std::vector<schedule::Action> actions() {
    std::vector<schedule::Action> taken;
    scheduler.take_actions(taken);
    return taken;
  }
  template <class Action>
  std::vector<Action> actions_of() {
    std::vector<Action> found;
    for (const auto& action : actions()) {
      if (const auto* one = std::get_if<Action>(&action)) found.push_back(*one);
    }
    return found;
  }
  /// Why the item has failed, as its owner is told; empty if it has not.
  std::string why_failed() {
    for (const auto& failed : actions_of<schedule::FailItems>()) {
      return losses.failure(failed.reason, failed.loss)->text;
    }
    return {};
  }
  std::vector<std::uint32_t> killed() {
    std::vector<std::uint32_t> all;
    for (FakePort& port : ports) {
      for (const auto& [worker, signal] : std::exchange(port.killed, {})) all.push_back(worker);
    }
    return all;
  }

  std::array<FakePort, 2> ports;
  Workers workers;
  LossBook losses;
  schedule::Scheduler scheduler;
  std::shared_ptr<TaskEvents> listener;
  GroupDispatcher groups{workers, losses, scheduler, listener};
  std::shared_ptr<PoolState> pool = std::make_shared<PoolState>();
  std::vector<std::string> notes;
  detail::Ref<detail::ResultReceiver> receiver;
};

TEST_F(GroupTasks, a_nursery_on_each_node_comes_before_its_ranks_and_is_told_the_plan) {
  open();
  start();
  EXPECT_THAT(ports[0].started, ElementsAre(6U, 3U, 4U));
  EXPECT_THAT(ports[1].started, ElementsAre(7U, 5U));
  const auto frames = ports[1].taken(7);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].header.kind, FrameKind::serve_group);
  const wire::GroupPlan plan = wire::decode_plan(bytes_of(frames[0].payload));
  EXPECT_EQ(plan.node, 1U);
  EXPECT_FALSE(plan.oversubscribed);
  EXPECT_EQ(plan.nodes, (std::vector<wire::GroupPlan::Node>{{"node0", 2}, {"node1", 1}}));
  EXPECT_THAT(ports[0].taken(3), IsEmpty());  // not before its nursery has answered
}

TEST_F(GroupTasks, ranks_join_when_their_nursery_has_given_them_an_environment) {
  open();
  start();
  ports[0].taken(6);
  EXPECT_TRUE(environments(0, 2));
  for (const std::uint32_t member : {3U, 4U}) {
    const auto frames = ports[0].taken(member);
    ASSERT_EQ(frames.size(), 3U);
    EXPECT_EQ(frames[0].header.kind, FrameKind::join_group);
    EXPECT_EQ(frames[1].header.kind, FrameKind::init);
    EXPECT_THAT(frames[1].payload, HasSubstr("initializer"));
    EXPECT_EQ(frames[2].header.kind, FrameKind::chunk);
    // Only rank 0's value is wanted.
    EXPECT_EQ(frames[2].header.flags, member == 3 ? wire::FrameFlag::announce : wire::FrameFlag::announce_only);
  }
  EXPECT_THAT(ports[1].taken(5), IsEmpty());
}

TEST_F(GroupTasks, all_ranks_tell_their_memory_to_who_wants_times) {
  const auto events = std::make_shared<FakeEvents>();
  events->times = true;
  listener = events;
  open();
  start();
  ports[0].taken(6);
  EXPECT_TRUE(environments(0, 2));
  for (const std::uint32_t member : {3U, 4U}) {
    EXPECT_TRUE(wire::has(ports[0].taken(member).back().header.flags, wire::FrameFlag::memory));
    EXPECT_TRUE(say(member, wire::MemoryHeader{member, 100}.frame()));
  }
  ASSERT_EQ(events->of<WorkerMemory>().size(), 2U);
  EXPECT_EQ(events->of<WorkerMemory>()[1].worker, WorkerId{4});
  EXPECT_EQ(events->of<WorkerMemory>()[1].resident, 4U);
  EXPECT_FALSE(say(4, wire::MemoryHeader{1, 1}.frame(), "x")) << "it has no payload";
}

TEST_F(GroupTasks, a_name_that_the_user_has_given_goes_before_the_task) {
  open();
  start(std::make_shared<detail::WorkLabel>(detail::WorkLabel{"fit 3", std::nullopt}));
  EXPECT_TRUE(environments(0, 2));
  const auto frames = ports[0].taken(4);
  ASSERT_EQ(frames.size(), 4U);
  EXPECT_EQ(frames[2].header.kind, FrameKind::name);
  EXPECT_EQ(frames[2].payload, "fit 3");
  EXPECT_EQ(frames[3].header.kind, FrameKind::chunk);
}

TEST_F(GroupTasks, the_result_is_rank_0s_once_all_have_returned) {
  open();
  run();
  EXPECT_TRUE(ends(0, FrameKind::value, "result"));
  EXPECT_TRUE(ends(2, FrameKind::skipped));
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_TRUE(ends(1, FrameKind::skipped));
  EXPECT_THAT(notes, ElementsAre("0 value result"));
  EXPECT_THAT(killed(), IsEmpty());
  for (std::uint32_t member = 3; member < 6; ++member) {
    const auto frames = port_of(member).taken(member);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(frames[0].header.kind, FrameKind::stop);  // MPI_Finalize
  }
  all_members_gone(0);
  EXPECT_THAT(killed(), UnorderedElementsAre(6U, 7U));
  nurseries_gone();
  EXPECT_FALSE(groups.has(WorkerId{kMember}));
  EXPECT_THAT(actions_of<schedule::FailItems>(), IsEmpty());
}

TEST_F(GroupTasks, how_a_rank_ends_after_the_result_does_not_count) {
  open(false);
  run();
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(ends(i, i == 0 ? FrameKind::value : FrameKind::skipped));
  all_members_gone(SIGSEGV);  // MPI_Finalize of Open MPI 4.1.4 does that
  nurseries_gone();
  EXPECT_THAT(actions_of<schedule::PoolBroken>(), IsEmpty());
}

TEST_F(GroupTasks, who_does_not_leave_in_time_is_killed) {
  open();
  run();
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(ends(i, i == 0 ? FrameKind::value : FrameKind::skipped));
  const auto until = groups.next_deadline();
  ASSERT_TRUE(until);
  groups.tick(*until);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
}

TEST_F(GroupTasks, a_rank_that_throws_ends_all_and_its_exception_is_the_tasks) {
  open();
  run();
  EXPECT_TRUE(ends(0, FrameKind::error, "thrown"));
  EXPECT_THAT(notes, ElementsAre("0 error thrown"));
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
  all_members_gone(SIGKILL);
  nurseries_gone();
  EXPECT_THAT(actions_of<schedule::FailItems>(), IsEmpty());
}

TEST_F(GroupTasks, of_several_that_throw_the_lowest_is_told) {
  open();
  run();
  EXPECT_TRUE(ends(2, FrameKind::error, "of 2"));
  EXPECT_THAT(notes, IsEmpty());  // lower ranks have a moment
  EXPECT_TRUE(ends(1, FrameKind::error, "of 1"));
  groups.tick(*groups.next_deadline());
  EXPECT_THAT(notes, ElementsAre("0 error of 1"));
}

TEST_F(GroupTasks, a_rank_that_dies_ends_all_and_is_named) {
  open();
  run();
  gone(4, SIGSEGV);
  if (const auto moment = groups.next_deadline()) groups.tick(*moment);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 5U));
  gone(3, SIGKILL);
  gone(5, SIGKILL);
  nurseries_gone();
  const std::string why = why_failed();
  EXPECT_THAT(why, HasSubstr("rank 1 of 3 of its task"));
  EXPECT_THAT(why, HasSubstr("SIGSEGV"));
  EXPECT_THAT(why, HasSubstr("pid 1001"));
}

TEST_F(GroupTasks, a_rank_that_calls_MPI_Abort_is_named_with_its_number) {
  open();
  run();
  EXPECT_TRUE(nursery_says(1, {.word = NurseryWord::aborted, .rank = 2, .status = 17}));
  groups.tick(*groups.next_deadline());  // the news of a signal that it follows from would have come by now
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
  all_members_gone(SIGKILL);
  nurseries_gone();
  EXPECT_THAT(why_failed(), HasSubstr("rank 2 of 3 of its task, called MPI_Abort with 17"));
}

TEST_F(GroupTasks, a_lost_host_ends_all_and_is_named) {
  open();
  run();
  // Of the node that is gone nobody says anything any more.
  RankFacts lost = workers.rank(Rank{1}).facts;
  const auto loss = losses.rank_lost(lost, {"connection closed", std::nullopt});
  workers.rank(Rank{1}).port = nullptr;
  scheduler.rank_lost(Rank{1}, loss);
  for (const std::uint32_t process : {5U, 7U}) {
    groups.lost_with_rank(WorkerId{process}, loss);
    workers.erase(WorkerId{process});
  }
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U));
  gone(3, SIGKILL);
  gone(4, SIGKILL);
  EXPECT_THAT(killed(), ElementsAre(6U));
  gone(6, SIGKILL);
  const std::string why = why_failed();
  EXPECT_THAT(why, HasSubstr("rank 1 (on node1"));
  EXPECT_FALSE(groups.has(WorkerId{6}));
}

TEST_F(GroupTasks, a_nursery_that_dies_ends_all) {
  open();
  run();
  gone(kNursery, SIGABRT);
  if (const auto moment = groups.next_deadline()) groups.tick(*moment);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
  all_members_gone(SIGKILL);
  EXPECT_THAT(killed(), ElementsAre(7U));  // the other one
  gone(7, SIGKILL);
  EXPECT_THAT(why_failed(), HasSubstr("PMIx server"));
}

TEST_F(GroupTasks, a_node_that_cannot_run_groups_fails_the_task_and_says_why) {
  open();
  start();
  EXPECT_TRUE(nursery_says(1, {NurseryWord::failed}, "there is no libpmix.so.2"));
  EXPECT_THAT(why_failed(), HasSubstr("on node1: there is no libpmix.so.2"));
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
}

TEST_F(GroupTasks, a_process_that_cannot_be_started_ends_all) {
  open();
  start();
  groups.worker_failed_to_start(WorkerId{5}, *workers.find(WorkerId{5}), "no more processes");
  workers.erase(WorkerId{5});
  if (const auto moment = groups.next_deadline()) groups.tick(*moment);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U));
  gone(3, SIGKILL);
  gone(4, SIGKILL);
  nurseries_gone();
  EXPECT_THAT(why_failed(), HasSubstr("no more processes"));
}

TEST_F(GroupTasks, MPI_Init_that_does_not_end_is_given_up) {
  open();
  start();
  const auto until = groups.next_deadline();
  ASSERT_TRUE(until);
  groups.tick(*until);
  if (const auto moment = groups.next_deadline()) groups.tick(*moment);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
  all_members_gone(SIGKILL);
  nurseries_gone();
  EXPECT_THAT(why_failed(), HasSubstr("MPI_Init of a task of several ranks did not end within"));
}

TEST_F(GroupTasks, a_failed_initializer_breaks_the_pool) {
  open();
  start();
  EXPECT_TRUE(environments(0, 2));
  EXPECT_TRUE(say(4, FrameKind::init_failed));
  EXPECT_EQ(actions_of<schedule::PoolBroken>().size(), 1U);
}

TEST_F(GroupTasks, parts_of_a_fence_go_to_all_once_all_have_come) {
  open();
  run();
  EXPECT_TRUE(nursery_says(1, {NurseryWord::fence, 3}, "of1"));
  EXPECT_THAT(ports[0].taken(6), IsEmpty());
  EXPECT_TRUE(nursery_says(0, {NurseryWord::fence, 3}, "of0"));
  for (const std::uint32_t nursery : {6U, 7U}) {
    const auto frames = port_of(nursery).taken(nursery);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_EQ(wire::NurseryHeader::of(frames[0].header).word, NurseryWord::fence_done);
    EXPECT_EQ(frames[0].header.number, 3U);
    EXPECT_EQ(frames[0].payload, "of0of1");
  }
  // The next of that number is another one.
  EXPECT_TRUE(nursery_says(0, {NurseryWord::fence, 3}, "again"));
  EXPECT_FALSE(nursery_says(0, {NurseryWord::fence, 3}, "twice"));
}

TEST_F(GroupTasks, what_another_nodes_rank_has_put_there_is_asked_for_and_answered) {
  open();
  run();
  EXPECT_TRUE(nursery_says(1, {NurseryWord::data_wanted, 5, 0}));  // node 1 asks about rank 0
  const auto asked = ports[0].taken(6);
  ASSERT_EQ(asked.size(), 1U);
  const auto question = wire::NurseryHeader::of(asked[0].header);
  EXPECT_EQ(question.word, NurseryWord::asked);
  EXPECT_EQ(question.number, 5U);
  EXPECT_EQ(question.rank, 0U);
  EXPECT_EQ(question.node, 1U);
  EXPECT_TRUE(nursery_says(0, {.word = NurseryWord::data, .number = 5, .node = 1}, "there"));
  const auto answer = ports[1].taken(7);
  ASSERT_EQ(answer.size(), 1U);
  EXPECT_EQ(wire::NurseryHeader::of(answer[0].header).word, NurseryWord::answer);
  EXPECT_EQ(answer[0].payload, "there");
}

TEST_F(GroupTasks, what_makes_no_sense_is_not_believed) {
  open();
  run();
  EXPECT_FALSE(nursery_says(0, {NurseryWord::data_wanted, 1, 3}));                     // there is no rank 3
  EXPECT_FALSE(nursery_says(0, {.word = NurseryWord::data, .number = 1, .node = 2}));  // nor a node 2
  EXPECT_FALSE(nursery_says(0, {.word = NurseryWord::aborted, .rank = 3}));
  EXPECT_FALSE(environments(0, 2));  // a second time
  EXPECT_FALSE(nursery_says(0, {static_cast<NurseryWord>(99)}));
  EXPECT_FALSE(say(kNursery, FrameKind::value, 1));
  EXPECT_FALSE(say(kMember, FrameKind::nursery, 1));
  EXPECT_FALSE(say(kMember, FrameKind::ready));  // a second time
  EXPECT_FALSE(say(kMember, FrameKind::value, 2));
  EXPECT_TRUE(ends(0, FrameKind::value));
  EXPECT_FALSE(ends(0, FrameKind::value));
  for (std::uint64_t fence = 0; fence < 64; ++fence) EXPECT_TRUE(nursery_says(0, {NurseryWord::fence, fence}));
  EXPECT_FALSE(nursery_says(0, {NurseryWord::fence, 64}));
}

TEST_F(GroupTasks, environments_of_another_number_of_ranks_are_not_believed) {
  open();
  start();
  EXPECT_FALSE(environments(0, 3));
  EXPECT_FALSE(nursery_says(1, {NurseryWord::environments}, "no environments"));
}

TEST_F(GroupTasks, a_group_that_is_killed_says_nothing_any_more) {
  open();
  run();
  groups.kill(kGroup, SIGTERM);
  EXPECT_THAT(killed(), UnorderedElementsAre(3U, 4U, 5U));
  EXPECT_TRUE(ends(0, FrameKind::value, "late"));
  EXPECT_THAT(notes, IsEmpty());
  all_members_gone(SIGTERM);
  EXPECT_THAT(killed(), UnorderedElementsAre(6U, 7U));
  nurseries_gone();
  EXPECT_FALSE(groups.has(WorkerId{kMember}));
  EXPECT_EQ(groups.next_deadline(), std::nullopt);
}

}  // namespace
}  // namespace rankpool::engine
