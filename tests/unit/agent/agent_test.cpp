#include "agent/agent.hpp"

#include "base/foreign_descriptor.hpp"
#include "base/pace.hpp"
#include "support/loop_network.hpp"
#include "unit/worker/workers.hpp"

#include <gmock/gmock.h>

#include <sys/wait.h>
#include <atomic>
#include <thread>

namespace rankpool::agent {
namespace {

using namespace std::chrono_literals;

/// An agent with a keeper and workers of its own, in a thread; the test is rank 0.
class Agents : public host::Hosted {
 protected:
  void SetUp() override {
    keep([](channel::Channel channel, channel::RankPage* own, int wake) {
      worker::worker_main(std::move(channel), own, wake, worker::kWorkerHooks);
    });
    agent_end = network.transport(Rank{1});
    AgentOptions options;
    options.hello.host = "there";
    options.share_lifeline = [this](int fd) { shared_fd = fd; };
    agent = std::make_unique<Agent>(*agent_end, *host, std::move(options));
    serving = std::thread([this] {
      ending = agent->run();
      has_ended = true;
    });
  }
  void TearDown() override {
    lifelines.reset();  // ends an agent that still serves
    if (serving.joinable()) serving.join();
    agent.reset();
    Hosted::TearDown();
  }
  void say(const wire::Message& message) {
    detail::Bytes bytes;
    wire::append(bytes, message);
    rank_0->send(Rank{1}, std::move(bytes));
    if (lifelines) lifelines->ring(Rank{1});
  }
  /// @param elsewhere  rank 0 says that it is in another name space of processes
  void invite(bool elsewhere = false) {
    const auto& invitation = lifelines->invitation();
    wire::Welcome welcome;
    welcome.addresses = invitation.addresses;
    welcome.port = invitation.port;
    welcome.token.assign(invitation.token.begin(), invitation.token.end());
    welcome.lost_after_ms = 10'000;
    if (root) {
      welcome.wakeup_pid = ::getpid();
      welcome.wakeup_pid_space = base::own_pid_space() + (elsewhere ? 1 : 0);
      welcome.host_page = root->place().page;
      welcome.host_wake = root->place().wake;
    }
    say(welcome);
  }
  /// Lets the test, which is rank 0, have the channels of its workers.
  void share_memory() {
    pair = keeper::make_keeper_pair();
    root = std::make_unique<host::WorkerHost>(std::move(pair.link));
  }
  /// Who falls asleep while a message is under way is rung, as rank 0 does it.
  void answer_lifeline() {
    const std::size_t known = events.size();
    lifelines->poll(events);
    for (std::size_t i = known; i < events.size(); ++i) {
      const bool asleep = events[i].kind == liveness::LifelineEvent::Kind::asleep;
      if (asleep && rank_0->sent_to(Rank{1}) > events[i].received) lifelines->ring(Rank{1});
    }
  }
  /// Waits for a message of this kind. What bytes it has are kept.
  template <class Kind>
  std::optional<Kind> next() {
    std::optional<Kind> found;
    test::until(
        [&] {
          answer_lifeline();
          rank_0->poll(arrived);
          while (!found && seen < arrived.size()) {
            wire::EnvelopeReader reader(arrived[seen++].bytes);
            while (auto message = reader.next()) pending.push_back(*message);
          }
          while (!found && !pending.empty()) {
            if (auto* one = std::get_if<Kind>(&pending.front())) found = *one;
            pending.pop_front();
          }
          return found.has_value();
        },
        10s);
    return found;
  }
  Ending served() {
    test::until(
        [&] {
          if (lifelines) answer_lifeline();
          return has_ended.load();
        },
        10s);
    EXPECT_TRUE(has_ended.load());
    lifelines.reset();
    serving.join();
    return *ending;
  }

  test::LoopNetwork network{2};
  std::unique_ptr<transport::Transport> rank_0 = network.transport(Rank{0});
  keeper::KeeperPair pair;
  std::unique_ptr<host::WorkerHost> root;
  std::unique_ptr<transport::Transport> agent_end;
  std::optional<liveness::LifelineServer> lifelines{std::in_place, 2, liveness::LifelineOptions{}};
  std::vector<liveness::LifelineEvent> events;
  std::vector<transport::Incoming> arrived;
  std::size_t seen = 0;
  std::deque<wire::Message> pending;
  std::unique_ptr<Agent> agent;
  std::atomic<int> shared_fd{-1};
  std::optional<Ending> ending;
  std::atomic<bool> has_ended{false};
  std::thread serving;
};

TEST_F(Agents, an_invitation_is_answered_with_a_greeting_over_a_lifeline_that_the_keeper_shares) {
  invite();
  const auto hello = next<wire::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->host, "there");
  EXPECT_TRUE(test::until([&] { return lifelines->poll(events) && !events.empty(); }, 10s) || !events.empty());
  EXPECT_EQ(events.front().kind, liveness::LifelineEvent::Kind::joined);
  EXPECT_GE(shared_fd.load(), 0);
  say(wire::Quit{false});
  EXPECT_EQ(served(), Ending::dismissed);
}

TEST_F(Agents, input_goes_to_the_worker_and_its_output_comes_back) {
  invite();
  say(wire::StartWorker{WorkerId{7}});
  ASSERT_TRUE(next<wire::WorkerStarted>());
  const std::vector<std::byte> identity(17, std::byte{0});  // number, rank, no host, and one byte of initializer
  const wire::FrameHeader init(wire::FrameKind::init, identity.size());
  detail::Bytes input(std::as_bytes(std::span(&init, 1)));
  input.append(identity.data(), identity.size());
  say(wire::Input{WorkerId{7}, input});
  wire::FrameReader reader;
  std::vector<wire::FrameKind> kinds;
  while (kinds.empty()) {
    const auto output = next<wire::Output>();
    ASSERT_TRUE(output);
    EXPECT_EQ(output->worker, WorkerId{7});
    ASSERT_TRUE(reader.feed(
        output->bytes, [&](const wire::FrameHeader& header, auto, detail::Bytes*) { kinds.push_back(header.kind); }));
  }
  EXPECT_THAT(kinds, ::testing::ElementsAre(wire::FrameKind::ready));
  say(wire::KillWorker{WorkerId{7}, SIGKILL});
  const auto ended = next<wire::WorkerEnded>();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->worker, WorkerId{7});
  EXPECT_TRUE(WIFSIGNALED(ended->wait_status) && WTERMSIG(ended->wait_status) == SIGKILL);
  EXPECT_FALSE(ended->inside_item);
}

TEST_F(Agents, results_wait_for_an_answer_while_rank_0_is_busy_and_what_else_there_is_to_tell_does_not) {
  using Clock = std::chrono::steady_clock;
  const auto say_busy = [&](std::uint64_t received, const wire::Message& message) {
    detail::Bytes bytes;
    wire::append(bytes, wire::Received{received, true});
    wire::append(bytes, message);
    rank_0->send(Rank{1}, std::move(bytes));
    lifelines->ring(Rank{1});
  };
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  // Answers that never come are expected ever later.
  auto soonest = Clock::duration::max();
  Clock::time_point last;
  for (std::uint32_t worker = 0; worker < 16; ++worker) {
    last = Clock::now();
    say_busy(0, wire::StartWorker{WorkerId{worker}});
    ASSERT_TRUE(next<wire::WorkerStarted>());
    soonest = std::min(soonest, Clock::now() - last);
  }
  EXPECT_LT(soonest, pace::kGatheredWithin);
  const std::vector<std::byte> identity(17, std::byte{0});
  const wire::FrameHeader init(wire::FrameKind::init, identity.size());
  detail::Bytes input(std::as_bytes(std::span(&init, 1)));
  input.append(identity.data(), identity.size());
  say_busy(0, wire::Input{WorkerId{1}, input});
  ASSERT_TRUE(next<wire::Output>());  // though nobody answers or rings
  EXPECT_GE(Clock::now() - last, pace::kGatheredWithin);
  say(wire::Quit{false});
  EXPECT_EQ(served(), Ending::dismissed);
}

TEST_F(Agents, rank_0_and_a_worker_need_it_for_start_and_end_alone_where_they_share_memory) {
  share_memory();
  invite();
  const auto hello = next<wire::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->has_root_page);
  const auto channel = root->open_for_neighbour(WorkerId{7});
  ASSERT_TRUE(channel);
  const std::vector<std::byte> identity(17, std::byte{0});
  const wire::FrameHeader init(wire::FrameKind::init, identity.size());
  root->write(WorkerId{7}, std::as_bytes(std::span(&init, 1)));
  root->write(WorkerId{7}, identity);
  root->flush(WorkerId{7});
  say(wire::StartWorker{WorkerId{7}, base::WorkerOrigin::forked, *channel});
  ASSERT_TRUE(next<wire::WorkerStarted>());
  EXPECT_TRUE(test::until([&] {
    root->poll(notes);
    return notes.output[7].size() == sizeof(wire::FrameHeader);
  }));
  say(wire::KillWorker{WorkerId{7}, SIGKILL});
  const auto ended = next<wire::WorkerEnded>();
  ASSERT_TRUE(ended);
  EXPECT_TRUE(WIFSIGNALED(ended->wait_status) && WTERMSIG(ended->wait_status) == SIGKILL);
}

TEST_F(Agents, a_worker_whose_memory_cannot_be_opened_has_failed_to_start) {
  share_memory();
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  say(wire::StartWorker{WorkerId{7}, base::WorkerOrigin::forked, 0});  // no channel, whatever it is
  const auto failed = next<wire::WorkerFailedToStart>();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->worker, WorkerId{7});
}

TEST_F(Agents, of_another_name_space_of_processes_it_shares_no_memory) {
  share_memory();
  invite(true);
  const auto hello = next<wire::Hello>();
  ASSERT_TRUE(hello);
  EXPECT_FALSE(hello->has_root_page);
  say(wire::Quit{false});
  EXPECT_EQ(served(), Ending::dismissed);
}

TEST_F(Agents, dismissed_after_a_loss_it_says_so) {
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  say(wire::Quit{true});
  EXPECT_EQ(served(), Ending::dismissed_with_loss);
}

TEST_F(Agents, the_end_of_the_lifeline_is_the_end_of_rank_0) {
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  lifelines.reset();
  EXPECT_EQ(served(), Ending::rank_0_lost);
}

TEST_F(Agents, a_request_to_stop_is_seen_by_its_workers) {
  invite();
  say(wire::StopRequested{});
  EXPECT_TRUE(test::until(
      [&] {
        answer_lifeline();
        return page->stop_requested.load() != 0;
      },
      10s));
}

TEST_F(Agents, without_its_keeper_it_serves_no_more) {
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  ::kill(keeper->pid(), SIGKILL);
  EXPECT_EQ(served(), Ending::keeper_lost);
}

/// Each breaks the rules in its own way: messages of the wrong side, twice, of what is not there, or no message at all.
TEST_F(Agents, a_rank_0_that_makes_no_sense_is_taken_for_lost) {
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  say(wire::BlobReady{WorkerId{0}, 1, 99});
  EXPECT_EQ(served(), Ending::rank_0_lost);
}

TEST_F(Agents, what_only_agents_send_is_no_message_for_one) {
  invite();
  say(wire::WorkerStarted{WorkerId{0}, 1});
  EXPECT_EQ(served(), Ending::rank_0_lost);
}

TEST_F(Agents, a_second_invitation_is_none) {
  invite();
  ASSERT_TRUE(next<wire::Hello>());
  invite();
  EXPECT_EQ(served(), Ending::rank_0_lost);
}

}  // namespace
}  // namespace rankpool::agent
