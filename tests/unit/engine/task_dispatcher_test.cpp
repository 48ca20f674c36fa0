#include "engine/task_dispatcher.hpp"

#include "unit/engine/fakes.hpp"

#include <csignal>
#include <stdexcept>

namespace rankpool::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using wire::FrameKind;

constexpr PoolId kPool{0};

/// Rank 0 with a port that notes, and rank 1 likewise.
class Tasks : public testing::Test {
 protected:
  Tasks() {
    for (const int rank : {0, 1}) {
      workers.set_port(Rank{rank}, &ports[static_cast<std::size_t>(rank)]);
      RankFacts facts = facts_of(rank);
      facts.workers = 1;
      tasks.rank_joined(facts);
    }
    ListenToTasks listen{events};
    tasks.handle(listen);
  }
  void open(const schedule::PoolPolicy& policy) {
    state->id = kPool;
    state->max_workers = policy.max_workers;
    state->announce_items = policy.task_timeout.count() > 0;
    state->initializer = detail::Bytes(bytes_of("initializer"));
    OpenPool command{state, policy};
    tasks.handle(command);
    carry_out();
  }
  /// The pool's workers are there: worker 0 on rank 0, worker 1 on rank 1.
  void open_ready(const schedule::PoolPolicy& policy) {
    open(policy);
    for (int i = 0; i < policy.max_workers; ++i) {
      tasks.worker_started(id(i), 1000 + i);
      say(i, frame_of(FrameKind::ready));
    }
    for (FakePort& port : ports) port.frames.clear();
  }
  FakeReceiver* submit(std::uint64_t work, std::uint64_t items = 1, std::uint32_t chunk = 0) {
    schedule::WorkSpec spec;
    spec.items = items;
    spec.chunk = chunk;
    auto* const receiver = new FakeReceiver(notes);
    receivers.push_back(detail::Ref<detail::ResultReceiver>(receiver));
    SubmitWork command{kPool, WorkId{work}, receivers.back(), spec};
    tasks.handle(command);
    carry_out();
    return receiver;
  }
  static WorkerId id(int worker) { return WorkerId{static_cast<std::uint32_t>(worker)}; }
  void say(int worker, const detail::Bytes& bytes) {
    tasks.worker_output(id(worker), bytes);
    carry_out();
  }
  void end(int worker, int wait_status, bool inside) {
    tasks.worker_ended(id(worker), {1000 + worker, wait_status, inside});
    carry_out();
  }
  void carry_out() {
    tasks.carry_out();
    workers.flush();
  }
  static schedule::PoolPolicy policy(int max_workers, bool replace = false) {
    schedule::PoolPolicy policy;
    policy.max_workers = max_workers;
    policy.replace_lost_workers = replace;
    return policy;
  }
  /// The chunk that the worker was sent.
  std::uint64_t chunk_at(int worker) {
    const auto frames = ports[static_cast<std::size_t>(worker)].taken(static_cast<std::uint32_t>(worker));
    EXPECT_EQ(frames.size(), 1U);
    return frames.empty() ? 0 : frames[0].header.number;
  }

  std::array<FakePort, 2> ports;
  Roster roster;
  Workers workers;
  TaskDispatcher tasks{workers, roster};
  std::shared_ptr<PoolState> state = std::make_shared<PoolState>();
  std::shared_ptr<FakeEvents> events = std::make_shared<FakeEvents>();
  std::vector<std::string> notes;
  std::vector<detail::Ref<detail::ResultReceiver>> receivers;  ///< kept, so that tests may look at them
};

TEST_F(Tasks, a_worker_is_told_who_it_is_and_its_initializer) {
  open(policy(2));
  EXPECT_THAT(ports[1].started, ElementsAre(1));
  const auto frames = ports[1].taken(1);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].header.kind, FrameKind::init);
  EXPECT_THAT(frames[0].payload, HasSubstr("node1initializer"));
  EXPECT_EQ(state->alive.load(), 2);
}

TEST_F(Tasks, an_outcome_goes_to_its_sink_and_the_work_is_over) {
  open_ready(policy(1));
  submit(7);
  const auto frames = ports[0].taken(0);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].header.kind, FrameKind::chunk);
  EXPECT_EQ(frames[0].payload, "code0+1");
  say(0, outcome(FrameKind::value, frames[0].header.number, 0, 1, "five", true));
  EXPECT_THAT(notes, ElementsAre("0 value five"));
  EXPECT_EQ(events->of<WorkEnded>().size(), 1U);
}

TEST_F(Tasks, outcomes_of_a_chunk_come_in_frames_cut_anywhere) {
  open_ready(policy(1));
  submit(1, 4, 4);
  const std::uint64_t chunk = chunk_at(0);
  detail::Bytes stream;
  for (const auto& frame :
       {outcome(FrameKind::values, chunk, 0, 2, "abcd", false), outcome(FrameKind::error, chunk, 2, 1, "bad", false),
        outcome(FrameKind::skipped, chunk, 3, 1, "", true)}) {
    stream.append(frame.data(), frame.size());
  }
  for (std::size_t i = 0; i < stream.size(); ++i) tasks.worker_output(id(0), stream.view().subspan(i, 1));
  carry_out();
  EXPECT_THAT(notes, ElementsAre("0+2 values abcd", "2 error bad", "3 skipped"));
  EXPECT_THAT(ports[0].killed, IsEmpty());
}

TEST_F(Tasks, values_do_not_wait_for_the_end_of_their_frame) {
  open_ready(policy(1));
  submit(1, 3, 3);
  const detail::Bytes frame = outcome(FrameKind::values, chunk_at(0), 0, 3, "aabbcc", true);
  tasks.worker_output(id(0), frame.view().first(frame.size() - 1));
  EXPECT_THAT(notes, ElementsAre("0+2 values aabb"));
  tasks.worker_output(id(0), frame.view().last(1));
  EXPECT_THAT(notes, ElementsAre("0+2 values aabb", "2 values cc"));
}

/// What no worker of ours says: another chunk, items out of order or too many, an unknown kind, a second greeting.
TEST_F(Tasks, a_worker_whose_outcome_makes_no_sense_is_killed_and_not_heard_any_more) {
  open_ready(policy(1, true));
  submit(1, 3, 3);
  const std::uint64_t chunk = chunk_at(0);
  std::vector<detail::Bytes> wrong;
  wrong.push_back(outcome(FrameKind::value, chunk + 1, 0, 1, "x", false));
  wrong.push_back(outcome(FrameKind::value, chunk, 1, 1, "x", false));
  wrong.push_back(outcome(FrameKind::value, chunk, 0, 2, "x", false));
  wrong.push_back(outcome(FrameKind::values, chunk, 0, 4, "abcd", false));
  wrong.push_back(outcome(FrameKind::values, chunk, 0, 2, "abc", false));
  wrong.push_back(outcome(FrameKind::value, chunk, 0, 1, "x", true));
  wrong.push_back(frame_of(FrameKind::ready));
  wrong.push_back(frame_of(FrameKind::chunk));
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    const int worker = static_cast<int>(i);
    say(worker, wrong[i]);
    ASSERT_THAT(ports[0].killed, ::testing::SizeIs(i + 1)) << "case " << i;
    EXPECT_EQ(ports[0].killed.back(), (std::pair<std::uint32_t, int>(static_cast<std::uint32_t>(i), SIGKILL)));
    notes.clear();
    say(worker, outcome(FrameKind::value, chunk, 0, 1, "late", false));
    EXPECT_THAT(notes, IsEmpty()) << "case " << i;
    end(worker, SIGKILL, false);
    tasks.worker_started(id(worker + 1), 2000);
    say(worker + 1, frame_of(FrameKind::ready));
    ports[0].frames.clear();
  }
}

/// Two chunks are in the scheduler's book, but only the first was sent when the worker answers for both.
TEST_F(Tasks, an_outcome_of_a_chunk_that_was_not_sent_yet_makes_no_sense) {
  open_ready(policy(1));
  submit(1);
  const std::uint64_t chunk = chunk_at(0);
  detail::Bytes both = outcome(FrameKind::value, chunk, 0, 1, "one", true);
  const detail::Bytes guessed = outcome(FrameKind::value, chunk + 1, 0, 1, "guessed", true);
  both.append(guessed.data(), guessed.size());
  submit(2);  // waits: the worker has one
  ports[0].frames.clear();
  say(0, both);
  EXPECT_THAT(notes, ElementsAre("0 value one"));
  EXPECT_THAT(ports[0].killed, ElementsAre(Pair(0U, SIGKILL)));
}

TEST_F(Tasks, what_a_killed_worker_still_says_is_ignored_though_the_kill_is_not_carried_out_yet) {
  open_ready(policy(1));
  submit(1);
  const std::uint64_t chunk = chunk_at(0);
  tasks.handle(StopPool{kPool, SIGTERM});
  tasks.worker_output(id(0), outcome(FrameKind::value, chunk, 0, 1, "late", true));
  carry_out();
  EXPECT_THAT(ports[0].killed, ElementsAre(Pair(0U, SIGTERM)));  // and not for nonsense
  EXPECT_THAT(notes, ElementsAre("0 failed"));
}

TEST_F(Tasks, the_loss_of_a_worker_breaks_the_pool_with_all_its_facts) {
  open_ready(policy(2));
  auto* const inside = submit(1);
  auto* const other = submit(2);
  end(0, SIGSEGV, true);
  EXPECT_THAT(notes, ElementsAre("0 failed", "0 failed"));
  ASSERT_EQ(inside->failures.size(), 1U);
  const detail::Failure& failure = *inside->failures[0];
  EXPECT_EQ(failure.kind, detail::Failure::Kind::terminated_worker);
  ASSERT_EQ(failure.causes.size(), 1U);
  EXPECT_EQ(failure.causes[0].signal, "SIGSEGV");
  EXPECT_EQ(failure.causes[0].exit_code, std::nullopt);
  EXPECT_EQ(failure.causes[0].host, "node0");
  EXPECT_EQ(failure.causes[0].pid, 1000);
  ASSERT_EQ(other->failures.size(), 1U);
  EXPECT_EQ(other->failures[0]->kind, detail::Failure::Kind::broken);
  EXPECT_EQ(other->failures[0], state->why_broken());
  EXPECT_EQ(state->alive.load(), 0);
  EXPECT_THAT(ports[1].killed, ElementsAre(Pair(1U, SIGKILL)));
}

/// The fact, not the text, says how a rank ended: exit codes too.
TEST_F(Tasks, the_loss_of_a_rank_carries_its_signal_or_its_exit_code) {
  open_ready(policy(2, true));
  auto* const receiver = submit(1, 2, 1);
  const auto gone = tasks.rank_lost(Rank{1}, {"", 3 << 8});
  carry_out();
  EXPECT_THAT(gone, ElementsAre(WorkerId{1}));
  ASSERT_EQ(receiver->failures.size(), 1U);
  const Loss& loss = receiver->failures[0]->causes.at(0);
  EXPECT_EQ(loss.worker, -1);
  EXPECT_EQ(loss.rank, 1);
  EXPECT_EQ(loss.exit_code, 3);
  EXPECT_EQ(loss.signal, "");
  EXPECT_EQ(loss.text, "rank 1 (on node1, pid 101) lost: ended with exit code 3");
  EXPECT_THAT(ports[1].killed, IsEmpty());
}

TEST_F(Tasks, a_loss_without_a_wait_status_says_what_is_known) {
  open_ready(policy(2));
  tasks.rank_lost(Rank{1}, {"no sign of life for 10 s", {}});
  carry_out();
  const Loss& loss = state->why_broken()->causes.at(0);
  EXPECT_EQ(loss.exit_code, std::nullopt);
  EXPECT_EQ(loss.signal, "");
  EXPECT_THAT(loss.text, HasSubstr("no sign of life"));
}

TEST_F(Tasks, an_item_that_is_tried_again_is_told) {
  auto again = policy(1, true);
  again.max_retries = 1;
  open_ready(again);
  submit(1);
  end(0, SIGKILL, true);
  const auto retried = events->of<ItemRetried>();
  ASSERT_EQ(retried.size(), 1U);
  EXPECT_EQ(retried[0].work, WorkId{1});
  EXPECT_THAT(notes, IsEmpty());
  EXPECT_EQ(events->of<WorkerGone>().at(0).lost, true);
}

TEST_F(Tasks, a_task_that_its_owner_cancelled_is_not_sent) {
  open_ready(policy(1));
  submit(1);  // keeps the worker busy
  auto* const receiver = submit(2);
  receiver->willing = false;
  say(0, outcome(FrameKind::value, chunk_at(0), 0, 1, "one", true));
  EXPECT_THAT(ports[0].taken(0), IsEmpty());
  EXPECT_EQ(events->of<WorkEnded>().size(), 2U);
}

TEST_F(Tasks, a_submission_that_comes_after_the_end_of_a_broken_pool_fails_as_the_pool_did) {
  open_ready(policy(1));
  end(0, SIGKILL, false);
  EXPECT_TRUE(state->ended);
  auto* const late = submit(5);
  EXPECT_THAT(notes, ElementsAre("0 failed"));
  EXPECT_EQ(late->failures.at(0), state->why_broken());
}

TEST_F(Tasks, a_submission_that_comes_after_the_end_of_a_closed_pool_is_cancelled) {
  open_ready(policy(1));
  tasks.handle(ClosePool{kPool, false});
  carry_out();
  end(0, 0, false);
  EXPECT_TRUE(state->ended);
  submit(5);
  EXPECT_THAT(notes, ElementsAre("0 cancelled"));
}

TEST_F(Tasks, everything_fails_with_the_engine_and_so_does_what_comes_later) {
  open_ready(policy(1));
  submit(1);
  tasks.fail_everything("no more memory");
  submit(2);
  EXPECT_THAT(notes, ElementsAre("0+18446744073709551615 failed", "0 failed"));
  auto late = std::make_shared<PoolState>();
  late->id = PoolId{9};
  OpenPool command{late, {}};
  tasks.handle(command);
  EXPECT_TRUE(late->ended);
  EXPECT_THAT(late->why_broken()->text, HasSubstr("no more memory"));
}

TEST_F(Tasks, one_that_an_idle_worker_can_have_through_its_memory_goes_there_at_once) {
  open_ready(policy(1));
  SubmitWork command{kPool, WorkId{1}, {}, {}};
  EXPECT_FALSE(tasks.can_go_inline(command)) << "its rank has to be sent a message";
  ports[0].direct = true;
  EXPECT_TRUE(tasks.can_go_inline(command));
  command.spec.items = 2;
  EXPECT_TRUE(tasks.can_go_inline(command)) << "what is left is handed out by who takes the first outcome";
  command.spec.items = 0;
  EXPECT_FALSE(tasks.can_go_inline(command));
  command.spec.items = 1;
  command.spec.open = true;
  EXPECT_FALSE(tasks.can_go_inline(command)) << "more is to come";
  command.spec.open = false;
  command.spec.ranks = 1;
  EXPECT_FALSE(tasks.can_go_inline(command)) << "it may run on another node, and needs its time kept";
  command.spec.ranks = 0;
  command.spec.memory = 1;
  EXPECT_FALSE(tasks.can_go_inline(command)) << "it may run on another node";
  command.spec.memory = 0;
  submit(1);
  EXPECT_FALSE(tasks.can_go_inline(command)) << "its worker is busy";
}

TEST_F(Tasks, the_events_of_a_task_tell_its_life) {
  auto timed = policy(1);
  timed.task_timeout = std::chrono::seconds(1);
  open_ready(timed);
  events->all.clear();
  submit(3, 2, 2);
  const std::uint64_t chunk = chunk_at(0);
  say(0, frame_of(FrameKind::began));
  say(0, outcome(FrameKind::value, chunk, 0, 1, "a", false));
  say(0, outcome(FrameKind::error, chunk, 1, 1, "b", true));
  std::vector<std::size_t> kinds;
  for (const TaskEvent& event : events->all) kinds.push_back(event.index());
  const auto kind = [](const TaskEvent& event) { return event.index(); };
  EXPECT_THAT(kinds, ElementsAre(kind(WorkSubmitted{}), kind(ChunkSent{}), kind(ItemBegan{}), kind(ItemsEnded{}),
                                 kind(ItemsEnded{}), kind(ChunkDone{}), kind(WorkEnded{})));
  EXPECT_EQ(events->of<ItemsEnded>()[1].how, ItemsEnded::How::error);
  EXPECT_EQ(events->of<ItemsEnded>()[1].first, 1U);
  EXPECT_EQ(events->of<ChunkDone>()[0].busy, std::chrono::nanoseconds(1000));
}

TEST_F(Tasks, who_wants_times_hears_of_memory_whatever_a_worker_says_of_it) {
  events->times = true;
  open_ready(policy(2));
  submit(2, 1, 1);
  const auto frames = ports[0].taken(0);
  ASSERT_FALSE(frames.empty());
  EXPECT_EQ(frames.back().header.flags, wire::FrameFlag::timed | wire::FrameFlag::memory);
  const auto memory = [](const std::string& payload) {
    wire::FrameHeader header = wire::MemoryHeader{7, UINT64_MAX}.frame();
    header.length = payload.size();
    detail::Bytes bytes(std::as_bytes(std::span(&header, 1)));
    bytes.append(payload.data(), payload.size());
    return bytes;
  };
  say(0, memory(""));
  ASSERT_EQ(events->of<WorkerMemory>().size(), 1U);
  EXPECT_EQ(events->of<WorkerMemory>()[0].resident, 7U);
  EXPECT_EQ(events->of<WorkerMemory>()[0].peak, UINT64_MAX);
  EXPECT_THAT(ports[0].killed, IsEmpty());
  say(0, memory("x"));
  EXPECT_EQ(ports[0].killed.size(), 1U) << "it has no payload";
}

TEST_F(Tasks, nobody_who_listens_is_told_nothing) {
  ListenToTasks nobody{nullptr};
  tasks.handle(nobody);
  events->all.clear();
  open_ready(policy(1));
  submit(1);
  EXPECT_THAT(events->all, IsEmpty());
}

}  // namespace
}  // namespace rankpool::engine
