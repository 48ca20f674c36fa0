#include "engine/remote_ranks.hpp"

#include "engine/input_queues.hpp"
#include "engine/local_port.hpp"
#include "keeper/keeper.hpp"
#include "unit/engine/fake_agent.hpp"
#include "unit/engine/fakes.hpp"

#include <unistd.h>
#include <csignal>
#include <thread>

namespace rankpool::engine {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Notes what RemoteRanks tells, a line each.
class Listener final : public RankListener {
 public:
  void rank_joined(const RankFacts& facts) override {
    notes.push_back("joined " + std::to_string(raw(facts.rank)) + " " + facts.host + " " +
                    std::to_string(facts.workers));
  }
  void rank_lost(Rank rank, const RankEnd& end) override {
    notes.push_back("lost " + std::to_string(raw(rank)));
    ends.push_back(end);
  }
  void worker_started(WorkerId worker, pid_t pid) override {
    notes.push_back("started " + std::to_string(raw(worker)) + " " + std::to_string(pid));
  }
  void worker_failed_to_start(WorkerId worker, const std::string& why) override {
    notes.push_back("failed " + std::to_string(raw(worker)) + " " + why);
  }
  void worker_output(WorkerId worker, std::span<const std::byte> bytes) override {
    notes.push_back("output " + std::to_string(raw(worker)) + " " + text_of(bytes));
  }
  void worker_side_output(WorkerId worker, std::span<const std::byte> bytes) override {
    notes.push_back("side " + std::to_string(raw(worker)) + " " + text_of(bytes));
  }
  void worker_ended(WorkerId worker, const host::WorkerEnd& end) override {
    notes.push_back("ended " + std::to_string(raw(worker)) + " " + std::to_string(end.wait_status) +
                    (end.inside_item ? " inside" : ""));
  }
  void keeper_lost() override { notes.emplace_back("keeper lost"); }

  std::vector<std::string> taken() { return std::exchange(notes, {}); }
  std::vector<std::string> notes;
  std::vector<RankEnd> ends;
};

/// The root of a job of three ranks, and the two others.
struct RemoteJob {
  explicit RemoteJob(Rank root_rank = Rank{0}, LocalPort* local = nullptr)
      : network(3, root_rank), transport(network.transport(root_rank)) {
    LocalRankInfo own;
    own.build = 1;
    own.facts.rank = root_rank;
    own.facts.host = "root";
    own.allowance.cores = {0};
    own.allowance.limit = 1;
    ranks.emplace(*transport, base::Settings{}, own, listener, local);
    for (const Rank rank : ranks->ranks()) agents.push_back(std::make_unique<FakeAgent>(network, rank));
  }
  bool polled_until(const std::function<bool()>& holds) {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      if (!ranks->poll(std::chrono::steady_clock::now())) std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  void poll() {
    polled_until([&, n = 0]() mutable { return ++n > 3; });
  }
  void join_all() {
    for (const auto& agent : agents) agent->join();
    ASSERT_TRUE(polled_until([&] { return ranks->assembled(); }));
    listener.notes.clear();
  }
  FakeAgent& one() { return *agents[0]; }
  FakeAgent& two() { return *agents[1]; }

  test::LoopNetwork network;
  std::unique_ptr<transport::Transport> transport;
  Listener listener;
  std::optional<RemoteRanks> ranks;
  std::vector<std::unique_ptr<FakeAgent>> agents;
};

class Remote : public ::testing::Test, protected RemoteJob {};

TEST_F(Remote, ranks_join_together_once_each_has_greeted_and_is_on_the_line) {
  one().join();
  two().accept();
  poll();
  EXPECT_FALSE(ranks->assembled());
  EXPECT_THAT(listener.notes, IsEmpty());
  two().greet();
  EXPECT_TRUE(polled_until([&] { return ranks->assembled(); }));
  EXPECT_THAT(listener.notes, ElementsAre("joined 0 root 1", "joined 1 node1 2", "joined 2 node2 2"));
}

TEST_F(Remote, a_rank_of_another_build_takes_no_part_and_holds_nobody_up) {
  one().join();
  two().accept();
  two().greet(2);
  EXPECT_TRUE(polled_until([&] { return ranks->assembled(); }));
  EXPECT_THAT(listener.notes, ElementsAre("joined 0 root 1", "joined 1 node1 2"));
}

TEST_F(Remote, a_rank_that_is_lost_before_it_greets_holds_nobody_up) {
  one().join();
  two().accept();
  poll();
  two().lifeline.reset();
  EXPECT_TRUE(polled_until([&] { return ranks->assembled(); }));
  EXPECT_THAT(listener.notes, ElementsAre("lost 2", "joined 0 root 1", "joined 1 node1 2"));
}

TEST_F(Remote, what_agents_tell_is_passed_on) {
  join_all();
  one().say(wire::WorkerStarted{WorkerId{4}, 44});
  one().say(wire::Output{WorkerId{4}, bytes_of("out")});
  one().say(wire::SideOutput{WorkerId{4}, bytes_of("beside")});
  one().say(wire::WorkerFailedToStart{WorkerId{5}, "no memory"});
  one().say(wire::WorkerEnded{WorkerId{4}, 44, SIGSEGV, true});
  EXPECT_TRUE(polled_until([&] { return listener.notes.size() == 5; }));
  EXPECT_THAT(listener.notes,
              ElementsAre("started 4 44", "output 4 out", "side 4 beside", "failed 5 no memory", "ended 4 11 inside"));
}

TEST_F(Remote, the_end_of_a_lifeline_is_the_loss_of_a_rank_and_told_once) {
  join_all();
  one().lifeline.reset();
  EXPECT_TRUE(polled_until([&] { return !listener.notes.empty(); }));
  one().say(wire::Output{WorkerId{4}, bytes_of("late")});
  poll();
  EXPECT_THAT(listener.notes, ElementsAre("lost 1"));
  EXPECT_EQ(listener.ends[0].text, "connection closed");
  EXPECT_EQ(listener.ends[0].wait_status, std::nullopt);
  ranks->port(Rank{1})->start(WorkerId{1}, base::WorkerOrigin::forked);
  ranks->port(Rank{1})->flush();
  EXPECT_THAT(one().taken(), IsEmpty());
}

TEST_F(Remote, an_exit_notice_tells_how_the_rank_ended) {
  join_all();
  liveness::send_exit_notice(two().lifeline->fd(), 3 << 8);
  EXPECT_TRUE(polled_until([&] { return !listener.notes.empty(); }));
  EXPECT_THAT(listener.notes, ElementsAre("lost 2"));
  EXPECT_EQ(listener.ends[0].wait_status, 3 << 8);
}

TEST_F(Remote, an_error_of_mpi_with_a_rank_is_its_loss) {
  join_all();
  network.break_between(Rank{0}, Rank{1}, "MPI_Isend: no route");
  EXPECT_TRUE(polled_until([&] { return !listener.notes.empty(); }));
  EXPECT_EQ(listener.ends[0].text, "MPI_Isend: no route");
}

/// Every way to break the rules costs the rank that does it, and no other.
TEST_F(Remote, a_rank_that_makes_no_sense_is_lost) {
  const std::vector<wire::Message> wrong{wire::Hello{}, wire::Quit{}, wire::InputTaken{WorkerId{9}, 1},
                                         wire::CancelAsk{9}, wire::RankLost{2}};
  for (const wire::Message& message : wrong) {
    RemoteJob job;
    job.join_all();
    job.one().say(message);
    EXPECT_TRUE(job.polled_until([&] { return !job.listener.notes.empty(); }));
    EXPECT_THAT(job.listener.notes, ElementsAre("lost 1"));
    EXPECT_THAT(job.listener.ends[0].text, HasSubstr("makes no sense"));
  }
  RemoteJob job;
  job.one().accept();
  job.one().say(wire::Output{WorkerId{0}, bytes_of("early")});
  EXPECT_TRUE(job.polled_until([&] { return !job.listener.notes.empty(); }));
  EXPECT_THAT(job.listener.ends[0].text, HasSubstr("before its greeting"));
}

TEST_F(Remote, what_is_written_goes_in_one_message_at_the_flush) {
  join_all();
  RankPort& port = *ranks->port(Rank{1});
  port.start(WorkerId{3}, base::WorkerOrigin::forked);
  const std::string header = "header";
  const std::string body = "body";
  port.write(WorkerId{3}, bytes_of(header), {bytes_of(body)}, {});
  port.kill(WorkerId{3}, SIGTERM);
  EXPECT_THAT(one().taken(), IsEmpty());
  port.flush();
  port.flush();
  const auto& messages = one().taken();
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(std::get<wire::StartWorker>(messages[0]).worker, WorkerId{3});
  EXPECT_EQ(text_of(std::get<wire::Input>(messages[1]).bytes), "headerbody");
  EXPECT_EQ(std::get<wire::KillWorker>(messages[2]).signal, SIGTERM);
  EXPECT_THAT(two().taken(), IsEmpty());
}

/// No more than a window of large input is on its way to a worker, and what is written later stands behind it.
TEST_F(Remote, large_input_follows_as_the_worker_takes_it) {
  join_all();
  RankPort& port = *ranks->port(Rank{1});
  const std::string large(3 * InputQueues::kWindow, 'x');
  const std::string header = "h";
  const std::string behind = "behind";
  port.write(WorkerId{3}, bytes_of(header), {bytes_of(large)}, {});
  port.write(WorkerId{3}, bytes_of(behind), {}, {});
  port.flush();
  std::string arrived;
  const auto take = [&] {
    std::size_t now = 0;
    for (const auto& input : one().taken_of<wire::LargeInput>()) {
      arrived += text_of(input.bytes);
      now += input.bytes.size();
    }
    return now;
  };
  std::size_t on_the_way = take();
  EXPECT_LE(on_the_way, InputQueues::kWindow + InputQueues::kPiece);
  EXPECT_GE(on_the_way, InputQueues::kWindow);
  for (int rounds = 0; on_the_way > 0 && rounds < 100; ++rounds) {
    one().say(wire::InputTaken{WorkerId{3}, on_the_way});
    poll();
    on_the_way = take();
    EXPECT_LE(on_the_way, InputQueues::kWindow + InputQueues::kPiece);
  }
  EXPECT_TRUE(arrived == header + large + behind);
}

TEST_F(Remote, a_broadcast_is_sent_to_a_rank_once_and_all_who_asked_are_told) {
  join_all();
  auto blob = std::make_shared<channel::Blob>(9, 700'000);
  const std::vector<std::byte> content(700'000, std::byte{7});
  ASSERT_TRUE(blob->append(content));
  RankPort& port = *ranks->port(Rank{1});
  port.give_blob(WorkerId{3}, 31, 9, blob);
  port.give_blob(WorkerId{4}, 41, 9, blob);
  std::size_t bytes = 0;
  std::vector<wire::BlobReady> ready;
  const auto take = [&] {
    for (const auto& message : one().taken()) {
      if (const auto* part = std::get_if<wire::BlobPart>(&message)) bytes += part->bytes.size();
      if (const auto* one_ready = std::get_if<wire::BlobReady>(&message)) ready.push_back(*one_ready);
    }
  };
  EXPECT_FALSE(ranks->prepare_sleep()) << "it would be slept over";
  ranks->awake(false, false);
  EXPECT_TRUE(polled_until([&] {
    take();
    return bytes == content.size();
  }));
  EXPECT_EQ(bytes, content.size());
  EXPECT_THAT(ready, ElementsAre(wire::BlobReady{WorkerId{3}, 31, 9}, wire::BlobReady{WorkerId{4}, 41, 9}));
  port.give_blob(WorkerId{5}, 51, 9, blob);
  port.flush();
  EXPECT_THAT(one().taken_of<wire::BlobReady>(), ElementsAre(wire::BlobReady{WorkerId{5}, 51, 9}));
  port.forget_blob(9);
  port.forget_blob(9);
  port.flush();
  EXPECT_EQ(one().taken_of<wire::ForgetBlob>().size(), 1U);
}

TEST_F(Remote, a_rank_that_sleeps_is_rung_with_the_next_message_and_only_then) {
  join_all();
  std::vector<liveness::LifelineEvent> events;
  one().taken();
  one().lifeline->asleep(one().transport().received_from(Rank{0}));
  std::this_thread::sleep_for(20ms);
  poll();
  EXPECT_FALSE(one().lifeline->poll(events));
  ranks->port(Rank{1})->start(WorkerId{1}, base::WorkerOrigin::forked);
  ranks->port(Rank{1})->flush();
  std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(one().lifeline->poll(events));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, liveness::LifelineEvent::Kind::ring);
}

TEST_F(Remote, while_the_engine_is_busy_each_message_says_what_was_received_and_idle_it_answers_who_waits) {
  join_all();
  RankPort& port = *ranks->port(Rank{1});
  const auto kill = [&] {
    port.kill(WorkerId{1}, SIGTERM);
    port.flush();
  };
  one().taken();
  kill();
  EXPECT_THAT(one().taken_of<wire::Received>(), IsEmpty());
  EXPECT_FALSE(ranks->turned(true, false));
  kill();
  const std::uint64_t before = transport->received_from(Rank{1});
  EXPECT_THAT(one().taken_of<wire::Received>(), ElementsAre(wire::Received{before, true}));
  one().say(wire::WorkerStarted{WorkerId{1}, 1});
  poll();
  EXPECT_FALSE(ranks->turned(true, false));  // there may be something to say to it yet
  EXPECT_THAT(one().taken(), IsEmpty());
  EXPECT_TRUE(ranks->turned(true, true));
  EXPECT_THAT(one().taken_of<wire::Received>(), ElementsAre(wire::Received{before + 1, true}));
  EXPECT_FALSE(ranks->turned(true, true));  // once
  one().say(wire::WorkerStarted{WorkerId{1}, 1});
  poll();
  EXPECT_TRUE(ranks->turned(false, true));  // it does not know that
  EXPECT_THAT(one().taken_of<wire::Received>(), ElementsAre(wire::Received{before + 2, false}));
  one().say(wire::WorkerStarted{WorkerId{1}, 1});
  poll();
  EXPECT_FALSE(ranks->turned(false, true));
  EXPECT_THAT(one().taken(), IsEmpty());
}

TEST_F(Remote, a_rank_that_is_lost_while_it_waits_for_an_answer_gets_none) {
  join_all();
  ranks->turned(true, false);
  ranks->port(Rank{1})->kill(WorkerId{1}, SIGTERM);
  ranks->port(Rank{1})->flush();
  one().say(wire::WorkerStarted{WorkerId{1}, 1});
  poll();
  one().lifeline.reset();
  ASSERT_TRUE(polled_until([&] { return listener.notes.size() == 2; }));
  one().taken();
  ranks->turned(true, true);
  EXPECT_THAT(one().taken(), IsEmpty());
}

/// The first of the others is of the root's node and shares its memory; so could the second, which has another name.
class WithNeighbour : public ::testing::Test {
 protected:
  void SetUp() override {
    job.one().join_as_neighbour("root");
    job.two().join_as_neighbour("elsewhere");
    ASSERT_TRUE(job.polled_until([&] { return job.ranks->assembled(); }));
    job.listener.notes.clear();
  }
  /// Starts a worker of that rank; gives what the rank is told.
  wire::StartWorker start(FakeAgent& agent, Rank rank, std::uint32_t worker) {
    job.ranks->port(rank)->start(WorkerId{worker}, base::WorkerOrigin::forked);
    job.ranks->port(rank)->flush();
    const auto started = agent.taken_of<wire::StartWorker>();
    return started.size() == 1 ? started[0] : wire::StartWorker{};
  }
  /// The worker's end of its channel.
  static channel::Channel channel_of(const wire::StartWorker& start) {
    return channel::Channel(channel::Channel::open_foreign(::getpid(), start.channel_fd));
  }
  static void show(channel::Channel& worker, const std::string& text) {
    const std::uint64_t begin = worker.control().out_tail.value;
    for (std::size_t i = 0; i < text.size(); ++i) *worker.out(begin + i) = static_cast<std::byte>(text[i]);
    worker.control().out_tail.value = begin + text.size();
  }

  keeper::KeeperPair pair = keeper::make_keeper_pair();
  host::WorkerHost host{std::move(pair.link)};
  LocalPort local{host};
  RemoteJob job{Rank{0}, &local};
};

TEST_F(WithNeighbour, what_is_written_goes_into_the_workers_memory_and_no_message) {
  const auto started = start(job.one(), Rank{1}, 4);
  ASSERT_GE(started.channel_fd, 0);
  auto worker = channel_of(started);
  RankPort* const port = job.ranks->port(Rank{1});
  EXPECT_TRUE(port->is_direct(WorkerId{4}));
  port->write(WorkerId{4}, bytes_of("head"), {bytes_of("body")}, {});
  port->flush();
  EXPECT_EQ(worker.control().in_tail.value, 8U);
  EXPECT_EQ(text_of({worker.in(0), 8}), "headbody");
  show(worker, "result");
  host.poll(job.listener);
  EXPECT_THAT(job.listener.taken(), ElementsAre("output 4 result"));
  EXPECT_THAT(job.one().taken(), IsEmpty());
}

TEST_F(WithNeighbour, a_rank_of_another_host_name_is_none) {
  EXPECT_EQ(start(job.two(), Rank{2}, 4).channel_fd, -1);
  EXPECT_FALSE(job.ranks->port(Rank{2})->is_direct(WorkerId{4}));
}

TEST_F(WithNeighbour, start_and_end_of_its_workers_are_its_own_to_tell) {
  auto worker = channel_of(start(job.one(), Rank{1}, 4));
  job.one().say(wire::WorkerStarted{WorkerId{4}, 44});
  ASSERT_TRUE(job.polled_until([&] { return !job.listener.notes.empty(); }));
  show(worker, "last");
  worker.control().progress = 1;
  job.one().say(wire::WorkerEnded{WorkerId{4}, 44, SIGSEGV, false});
  ASSERT_TRUE(job.polled_until([&] { return job.listener.notes.size() == 3; }));
  EXPECT_THAT(job.listener.notes, ElementsAre("started 4 44", "output 4 last", "ended 4 11 inside"));
  EXPECT_FALSE(job.ranks->port(Rank{1})->is_direct(WorkerId{4}));
}

TEST_F(WithNeighbour, what_its_workers_had_finished_comes_before_its_loss) {
  auto worker = channel_of(start(job.one(), Rank{1}, 4));
  show(worker, "finished");
  job.one().lifeline.reset();
  ASSERT_TRUE(job.polled_until([&] { return job.listener.notes.size() == 2; }));
  EXPECT_THAT(job.listener.notes, ElementsAre("output 4 finished", "lost 1"));
}

TEST_F(WithNeighbour, is_told_to_kill_a_worker_and_one_that_makes_no_sense) {
  auto worker = channel_of(start(job.one(), Rank{1}, 4));
  job.ranks->port(Rank{1})->kill(WorkerId{4}, SIGTERM);
  job.ranks->port(Rank{1})->flush();
  EXPECT_THAT(job.one().taken_of<wire::KillWorker>(), ElementsAre(wire::KillWorker{WorkerId{4}, SIGTERM}));
  worker.control().out_tail.value = UINT64_MAX;
  host.poll(job.listener);
  job.poll();
  EXPECT_THAT(job.one().taken_of<wire::KillWorker>(), ElementsAre(wire::KillWorker{WorkerId{4}, SIGKILL}));
}

TEST_F(WithNeighbour, that_tells_of_output_which_is_read_here_is_lost) {
  auto worker = channel_of(start(job.one(), Rank{1}, 4));
  job.one().say(wire::Output{WorkerId{4}, bytes_of("false")});
  ASSERT_TRUE(job.polled_until([&] { return !job.listener.notes.empty(); }));
  EXPECT_THAT(job.listener.notes, ElementsAre("lost 1"));
}

TEST_F(WithNeighbour, a_broadcast_is_found_by_its_workers_where_rank_0_has_it) {
  auto worker = channel_of(start(job.one(), Rank{1}, 4));
  const std::uint64_t before = BlobRoutes::bytes_sent();
  auto blob = std::make_shared<channel::Blob>(9, 3);
  ASSERT_TRUE(blob->append(bytes_of("abc")));
  job.ranks->port(Rank{1})->give_blob(WorkerId{4}, 1, 9, blob);
  job.poll();
  EXPECT_GT(worker.control().side_in_tail.value, sizeof(wire::FrameHeader));
  EXPECT_EQ(BlobRoutes::bytes_sent(), before);
  EXPECT_THAT(job.one().taken(), IsEmpty());
}

TEST_F(Remote, at_the_end_all_who_are_left_are_told_to_leave) {
  join_all();
  one().lifeline.reset();
  EXPECT_TRUE(polled_until([&] { return !listener.notes.empty(); }));
  one().taken();
  ranks->tell_to_stop();
  ranks->dismiss(true);
  EXPECT_THAT(one().taken(), IsEmpty());
  const auto& messages = two().taken();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<wire::StopRequested>(messages[0]));
  EXPECT_TRUE(std::get<wire::Quit>(messages[1]).rank_lost);
}

/// The root need not be the first rank of its communicator.
class RemoteOfAnotherRoot : public ::testing::Test, protected RemoteJob {
 protected:
  RemoteOfAnotherRoot() : RemoteJob(Rank{1}) {}
};

TEST_F(RemoteOfAnotherRoot, all_others_join_it) {
  EXPECT_THAT(ranks->ranks(), ElementsAre(Rank{0}, Rank{2}));
  for (const auto& agent : agents) agent->join();
  EXPECT_TRUE(polled_until([&] { return ranks->assembled(); }));
  EXPECT_THAT(listener.taken(), ElementsAre("joined 1 root 1", "joined 0 node0 2", "joined 2 node2 2"));
  two().say(wire::Output{WorkerId{4}, bytes_of("out")});
  EXPECT_TRUE(polled_until([&] { return !listener.notes.empty(); }));
  one().lifeline.reset();
  EXPECT_TRUE(polled_until([&] { return listener.notes.size() == 2; }));
  EXPECT_THAT(listener.notes, ElementsAre("output 4 out", "lost 0"));
}

}  // namespace
}  // namespace rankpool::engine
