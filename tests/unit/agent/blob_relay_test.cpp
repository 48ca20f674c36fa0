#include "agent/blob_relay.hpp"

#include "base/pace.hpp"
#include "keeper/keeper.hpp"
#include "support/loop_network.hpp"

#include <gmock/gmock.h>

#include <unistd.h>
#include <memory>
#include <variant>

namespace rankpool::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kBlob = 9;
constexpr std::size_t kSize = 3'000'000;
constexpr std::uint64_t kPatience = 60'000;

std::byte content_at(std::size_t i) { return static_cast<std::byte>(i * 31 >> 3U); }

/// Agents 1, 2, 3 with their relays; the test is rank 0.
class Relays : public ::testing::Test {
 protected:
  struct Agent {
    Rank rank{};
    std::unique_ptr<transport::Transport> transport;
    keeper::KeeperPair pair = keeper::make_keeper_pair();
    host::WorkerHost host{std::move(pair.link)};
    std::vector<wire::Message> told;  ///< to rank 0
    BlobRelay relay{*transport, host, [this](const wire::Message& message) { told.push_back(message); }};

    Agent(test::LoopNetwork& network, Rank own) : rank(own), transport(network.transport(own)) {}
    template <class Kind>
    std::vector<Kind> taken() {
      std::vector<Kind> found;
      std::erase_if(told, [&](const wire::Message& message) {
        if (!std::holds_alternative<Kind>(message)) return false;
        found.push_back(std::get<Kind>(message));
        return true;
      });
      return found;
    }
  };

  Relays() {
    for (int i = 1; i <= 3; ++i) agents.push_back(std::make_unique<Agent>(network, Rank{i}));
    content.resize(kSize);
    for (std::size_t i = 0; i < kSize; ++i) content[i] = content_at(i);
  }
  Agent& agent(int number) { return *agents[static_cast<std::size_t>(number - 1)]; }
  /// One look of each.
  void turn(BlobRelay::Clock::time_point now = BlobRelay::Clock::now()) {
    for (const auto& one : agents) {
      std::vector<transport::Incoming> arrived;
      one->transport->poll(arrived);
      for (const auto& message : arrived) one->relay.take(message.from, message.bytes);
      for (const auto& broken : one->transport->take_broken()) one->relay.broken(broken.peer, broken.how);
      one->relay.advance(now);
    }
  }
  void turns(int number) {
    for (int i = 0; i < number; ++i) turn();
  }
  void fetch(int to, int source, std::uint64_t patience = kPatience) {
    agent(to).relay.handle(wire::FetchBlob{kBlob, kSize, source, patience});
  }
  /// Rank 0 sends so much more of it.
  void send(int to, std::size_t offset, std::size_t size) {
    agent(to).relay.handle(wire::BlobPart{kBlob, kSize, offset, std::span(content).subspan(offset, size)});
  }
  void give_all(int to) {
    fetch(to, 0);
    send(to, 0, kSize);
  }
  /// It has told that it has all of it, and has.
  void expect_whole(int number) {
    const auto here = agent(number).taken<wire::BlobHere>();
    ASSERT_EQ(here.size(), 1U) << "agent " << number;
    const channel::MappedBlob mapped(kBlob, {here[0].pid, here[0].fd, kSize});
    EXPECT_TRUE(std::equal(content.begin(), content.end(), mapped.bytes().begin(), mapped.bytes().end()));
  }
  void say(int from, int to, const wire::Message& message) {
    detail::Bytes bytes;
    wire::append(bytes, message);
    agent(from).transport->send(Rank{to}, std::move(bytes));
  }

  test::LoopNetwork network{4};
  std::vector<std::unique_ptr<Agent>> agents;
  std::vector<std::byte> content;
};

TEST_F(Relays, a_broadcast_comes_from_rank_0_and_is_passed_on_as_it_comes) {
  fetch(1, 0);
  EXPECT_THAT(agent(1).told, IsEmpty()) << "rank 0 begins by itself";
  agent(1).relay.handle(wire::ExpectAsk{kBlob, 2});
  EXPECT_TRUE(agent(1).relay.active());
  fetch(2, 1);
  fetch(3, 2);
  send(1, 0, 1'000'000);
  turns(40);
  EXPECT_THAT(agent(2).told, IsEmpty());
  send(1, 1'000'000, kSize - 1'000'000);
  turns(40);
  for (int i = 1; i <= 3; ++i) {
    expect_whole(i);
    EXPECT_FALSE(agent(i).relay.active()) << i;
  }
}

TEST_F(Relays, who_neither_has_nor_wants_one_does_nothing) {
  EXPECT_FALSE(agent(1).relay.active());
  turns(3);
  EXPECT_EQ(agent(1).transport->sent_to(Rank{2}), 0U);
}

TEST_F(Relays, an_ask_may_come_before_what_it_asks_for) {
  fetch(2, 1);
  turns(3);
  give_all(1);
  turns(40);
  expect_whole(2);
}

TEST_F(Relays, from_another_source_it_gets_what_it_lacks) {
  give_all(1);
  give_all(3);
  fetch(2, 1);
  turns(4);
  network.kill(Rank{1});
  agent(2).relay.handle(wire::RankLost{1});
  EXPECT_TRUE(agent(2).taken<wire::BlobHere>().empty());
  const auto before = agent(3).transport->sent_to(Rank{2});
  fetch(2, 3);
  turns(40);
  expect_whole(2);
  EXPECT_LT(agent(3).transport->sent_to(Rank{2}) - before, kSize / (std::size_t{256} << 10U) + 1) << "not all again";
}

TEST_F(Relays, rank_0_is_asked_for_the_rest_if_it_is_the_new_source) {
  give_all(1);
  fetch(2, 1);
  turns(4);
  agent(2).relay.handle(wire::RankLost{1});
  fetch(2, 0);
  const auto asks = agent(2).taken<wire::AskForBlob>();
  ASSERT_EQ(asks.size(), 1U);
  EXPECT_GT(asks[0].offset, 0U);
  EXPECT_LT(asks[0].offset, kSize);
  send(2, asks[0].offset, kSize - asks[0].offset);
  expect_whole(2);
}

TEST_F(Relays, who_waits_in_vain_says_so_and_takes_nothing_more_from_there) {
  network.hold(Rank{1}, Rank{2});
  give_all(1);
  fetch(2, 1, 1000);
  turns(10);
  EXPECT_GT(agent(1).transport->unsent_to(Rank{2}), std::size_t{1} << 20U);
  EXPECT_LT(agent(1).transport->unsent_to(Rank{2}), std::size_t{2} << 20U) << "no more than a window is on its way";
  turn(BlobRelay::Clock::now() + std::chrono::milliseconds(1100));
  EXPECT_THAT(agent(2).taken<wire::BlobLacking>(), ElementsAre(wire::BlobLacking{kBlob, 1}));
  network.release(Rank{1}, Rank{2});
  turns(10);
  EXPECT_FALSE(agent(1).relay.active()) << "the ask was cancelled";
  fetch(2, 0);
  const auto asks = agent(2).taken<wire::AskForBlob>();
  ASSERT_EQ(asks.size(), 1U);
  EXPECT_EQ(asks[0].offset, 0U);
}

TEST_F(Relays, one_receiver_that_takes_nothing_holds_no_other_up) {
  network.hold(Rank{1}, Rank{2});
  give_all(1);
  fetch(2, 1);
  fetch(3, 1);
  turns(40);
  expect_whole(3);
}

TEST_F(Relays, what_is_forgotten_while_it_is_passed_on_is_asked_for_and_sent_no_more) {
  give_all(1);
  fetch(2, 1);
  turns(4);
  agent(2).relay.handle(wire::ForgetBlob{kBlob});
  turns(4);  // what was on its way is ignored
  EXPECT_FALSE(agent(1).relay.active());
  EXPECT_FALSE(agent(2).relay.active());
  agent(1).relay.handle(wire::ForgetBlob{kBlob});
  agent(1).relay.handle(wire::ForgetBlob{kBlob});
  EXPECT_THAT(agent(2).told, IsEmpty());
  fetch(3, 1);  // an ask that comes too late ends with its asker's
  turns(2);
  EXPECT_TRUE(agent(1).relay.active());
  agent(3).relay.handle(wire::ForgetBlob{kBlob});
  turns(2);
  EXPECT_FALSE(agent(1).relay.active());
}

TEST_F(Relays, an_ask_that_was_announced_and_does_not_come_is_awaited_for_a_while) {
  agent(1).relay.handle(wire::ExpectAsk{kBlob, 2});
  EXPECT_TRUE(agent(1).relay.active());
  turn(BlobRelay::Clock::now() + pace::kBlobPatience + std::chrono::milliseconds(100));
  EXPECT_FALSE(agent(1).relay.active());
}

TEST_F(Relays, an_agent_that_makes_no_sense_costs_a_receiver_its_source_and_nothing_else) {
  const std::vector<std::byte> bytes(10, std::byte{1});
  const std::vector<wire::Message> wrong{
      wire::BlobPart{kBlob, kSize, 5, bytes}, wire::BlobPart{kBlob, kSize + 1, 0, bytes}, wire::Quit{},
      wire::AskForBlob{kBlob, kSize - 1, 0}, wire::AskForBlob{kBlob, kSize, kSize + 1}};
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    Agent second(network, Rank{2});
    second.relay.handle(wire::FetchBlob{kBlob, kSize, 3, kPatience});
    detail::Bytes message;
    wire::append(message, wrong[i]);
    second.relay.take(Rank{3}, message);
    EXPECT_THAT(second.taken<wire::BlobLacking>(), ElementsAre(wire::BlobLacking{kBlob, 3})) << i;
  }
  Agent second(network, Rank{2});
  second.relay.handle(wire::FetchBlob{kBlob, kSize, 3, kPatience});
  second.relay.take(Rank{3}, bytes);
  EXPECT_EQ(second.taken<wire::BlobLacking>().size(), 1U) << "no envelope";
}

TEST_F(Relays, one_that_made_no_sense_is_not_heard_any_more_but_for_its_last_message) {
  give_all(1);
  fetch(2, 1);
  say(2, 1, wire::Quit{});
  say(2, 1, wire::AskForBlob{kBlob, kSize, 0});
  turns(3);
  EXPECT_FALSE(agent(1).relay.active());
  agent(1).relay.part_with({2});
  EXPECT_FALSE(agent(1).relay.parted());
  agent(2).relay.part_with({1});
  turns(2);
  EXPECT_TRUE(agent(1).relay.parted() && agent(2).relay.parted());
}

TEST_F(Relays, several_broadcasts_are_passed_on_in_turn) {
  give_all(1);
  agent(1).relay.handle(wire::FetchBlob{kBlob + 1, kSize, 0, kPatience});
  agent(1).relay.handle(wire::BlobPart{kBlob + 1, kSize, 0, content});
  network.hold(Rank{1}, Rank{2});
  fetch(2, 1);
  agent(2).relay.handle(wire::FetchBlob{kBlob + 1, kSize, 1, kPatience});
  turns(10);
  network.release(Rank{1}, Rank{2});
  std::vector<transport::Incoming> arrived;
  agent(2).transport->poll(arrived);
  std::vector<std::uint64_t> ids;
  for (const auto& message : arrived) {
    wire::EnvelopeReader reader(message.bytes);
    ids.push_back(std::get<wire::BlobPart>(*reader.next()).id);
  }
  EXPECT_THAT(ids, ElementsAre(kBlob, kBlob + 1, kBlob, kBlob + 1));
}

TEST_F(Relays, an_error_of_mpi_with_the_source_is_told) {
  give_all(1);
  fetch(2, 1);
  network.break_between(Rank{1}, Rank{2}, "no route");
  turn();
  EXPECT_THAT(agent(2).taken<wire::BlobLacking>(), ElementsAre(wire::BlobLacking{kBlob, 1}));
  fetch(2, 1);
  EXPECT_THAT(agent(2).taken<wire::BlobLacking>(), ElementsAre(wire::BlobLacking{kBlob, 1})) << "at once";
}

TEST_F(Relays, a_rank_0_that_makes_no_sense_is_refused) {
  BlobRelay& relay = agent(1).relay;
  EXPECT_THROW(relay.handle(wire::FetchBlob{kBlob, kSize, 4, 0}), wire::ProtocolError);
  EXPECT_THROW(relay.handle(wire::FetchBlob{kBlob, kSize, -1, 0}), wire::ProtocolError);
  EXPECT_THROW(relay.handle(wire::FetchBlob{kBlob, kSize, 1, 0}), wire::ProtocolError) << "from itself";
  EXPECT_THROW(relay.handle(wire::ExpectAsk{kBlob, 1}), wire::ProtocolError);
  EXPECT_THROW(relay.handle(wire::RankLost{99}), wire::ProtocolError);
  EXPECT_THROW(send(1, 0, 10), wire::ProtocolError) << "not announced";
  EXPECT_THROW(relay.handle(wire::BlobReady{WorkerId{1}, 1, kBlob}), wire::ProtocolError);
  fetch(1, 0);
  EXPECT_THROW(send(1, 5, 10), wire::ProtocolError);
  EXPECT_THROW(relay.handle(wire::FetchBlob{kBlob, kSize + 1, 0, 0}), wire::ProtocolError);
  EXPECT_THROW(relay.handle(wire::BlobPart{kBlob, kSize - 1, 0, {}}), wire::ProtocolError);
}

TEST_F(Relays, another_processs_is_mapped_if_it_can_be_had) {
  give_all(1);
  const auto here = agent(1).taken<wire::BlobHere>().at(0);
  agent(2).relay.handle(wire::MapBlob{WorkerId{4}, 1, kBlob, here.pid, here.fd, kSize});
  EXPECT_THAT(agent(2).told, IsEmpty());
  agent(2).relay.handle(wire::MapBlob{WorkerId{4}, 1, kBlob + 1, here.pid, here.fd, kSize});
  EXPECT_THAT(agent(2).taken<wire::BlobNotMapped>(),
              ElementsAre(wire::BlobNotMapped{WorkerId{4}, 1, kBlob + 1, false}));
  agent(2).relay.handle(wire::MapBlob{WorkerId{4}, 2, kBlob, 1 << 30, here.fd, kSize});
  EXPECT_THAT(agent(2).taken<wire::BlobNotMapped>(), ElementsAre(wire::BlobNotMapped{WorkerId{4}, 2, kBlob, true}));
}

TEST_F(Relays, at_the_end_each_waits_for_the_last_message_of_its_partners) {
  give_all(1);
  fetch(2, 1);
  turns(3);
  agent(2).relay.part_with({1});
  EXPECT_FALSE(agent(2).relay.parted());
  turns(3);
  EXPECT_FALSE(agent(2).relay.parted());
  agent(1).relay.part_with({2});
  EXPECT_TRUE(agent(1).relay.parted()) << "the other's has come already";
  turns(2);
  EXPECT_TRUE(agent(2).relay.parted());
  agent(3).relay.part_with({});
  EXPECT_TRUE(agent(3).relay.parted());
}

}  // namespace
}  // namespace rankpool::agent
