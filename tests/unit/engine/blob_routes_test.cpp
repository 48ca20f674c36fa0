#include "engine/blob_routes.hpp"

#include "base/foreign_descriptor.hpp"
#include "unit/engine/fakes.hpp"

#include <gmock/gmock.h>

#include <unistd.h>
#include <utility>

namespace rankpool::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kBlob = 9;
constexpr WorkerId kWorker{7};
constexpr std::size_t kSize = 1'000'000;

/// What rank 0 tells the ranks. Bytes of parts are counted.
class Told final : public BlobRoutes::Line {
 public:
  void say(Rank to, const wire::Message& message) override {
    if (const auto* part = std::get_if<wire::BlobPart>(&message)) {
      parts[to] += part->bytes.size();
      offsets[to].push_back(part->offset);
    } else {
      messages.emplace_back(to, message);
    }
  }
  void flush(Rank to) override { flushed.push_back(to); }

  /// What that rank was told of that kind since the last call.
  template <class Kind>
  std::vector<Kind> taken(Rank rank) {
    std::vector<Kind> found;
    std::erase_if(messages, [&](const auto& entry) {
      if (entry.first != rank || !std::holds_alternative<Kind>(entry.second)) return false;
      found.push_back(std::get<Kind>(entry.second));
      return true;
    });
    return found;
  }

  std::vector<std::pair<Rank, wire::Message>> messages;
  std::map<Rank, std::size_t> parts;
  std::map<Rank, std::vector<std::uint64_t>> offsets;
  std::vector<Rank> flushed;
};

class Routes : public ::testing::Test {
 protected:
  static BlobRoutes::Node node(const std::string& host) { return {host, 1}; }
  static Rank rank(int number) { return Rank{number}; }
  static std::shared_ptr<channel::Blob> blob(std::size_t size) {
    auto made = std::make_shared<channel::Blob>(kBlob, size);
    const std::vector<std::byte> content(size, std::byte{7});
    EXPECT_TRUE(made->append(content));
    return made;
  }
  /// Ranks 1, 2 and so on, each on a node of its own.
  void join(int ranks) {
    for (int i = 1; i <= ranks; ++i) routes.joined(rank(i), node("n" + std::to_string(i)), true);
  }
  void ask(int from, std::uint64_t request = 1) { routes.asked(rank(from), kWorker, request, kBlob, content); }
  void send_all() {
    while (routes.send_pieces([](Rank) { return true; })) {
    }
  }
  /// Where that rank was told to get it from.
  int source(int of) {
    const auto fetch = told.taken<wire::FetchBlob>(rank(of));
    return fetch.size() == 1 ? fetch[0].source : -1;
  }

  Told told;
  BlobRoutes routes{rank(0), node("root"), told};
  std::shared_ptr<channel::Blob> content = blob(kSize);
};

TEST_F(Routes, two_ranks_get_it_from_rank_0_and_the_third_from_one_of_them) {
  join(3);
  for (int i = 1; i <= 3; ++i) ask(i);
  EXPECT_EQ(source(1), 0);
  EXPECT_EQ(source(2), 0);
  EXPECT_EQ(source(3), 1);
  EXPECT_THAT(told.taken<wire::ExpectAsk>(rank(1)), ElementsAre(wire::ExpectAsk{kBlob, 3}));
  EXPECT_THAT(told.taken<wire::BlobReady>(rank(3)), ElementsAre(wire::BlobReady{kWorker, 1, kBlob}));
  EXPECT_TRUE(routes.sending());
  send_all();
  EXPECT_FALSE(routes.sending());
  EXPECT_EQ(told.parts[rank(1)], kSize);
  EXPECT_EQ(told.parts[rank(2)], kSize);
  EXPECT_EQ(told.parts[rank(3)], 0U);
  EXPECT_THAT(routes.partners_of(rank(1)), ElementsAre(3));
  EXPECT_THAT(routes.partners_of(rank(3)), ElementsAre(1));
  EXPECT_THAT(routes.partners_of(rank(2)), IsEmpty());
}

TEST_F(Routes, who_asks_again_is_answered_by_its_own_rank) {
  join(1);
  ask(1);
  EXPECT_EQ(source(1), 0);
  ask(1, 2);
  EXPECT_EQ(source(1), -1);
  EXPECT_EQ(told.taken<wire::BlobReady>(rank(1)).size(), 2U);
}

TEST_F(Routes, a_rank_that_takes_nothing_holds_no_other_up) {
  join(2);
  ask(1);
  ask(2);
  for (int i = 0; i < 100; ++i) routes.send_pieces([](Rank to) { return to == Rank{2}; });
  EXPECT_EQ(told.parts[rank(1)], 0U);
  EXPECT_EQ(told.parts[rank(2)], kSize);
}

TEST_F(Routes, a_small_one_goes_to_all_from_rank_0_in_the_same_message) {
  join(4);
  content = blob(BlobRoutes::kSmall);
  for (int i = 1; i <= 4; ++i) ask(i);
  EXPECT_FALSE(routes.sending());
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(told.parts[rank(i)], BlobRoutes::kSmall);
  EXPECT_THAT(routes.partners_of(rank(1)), IsEmpty());
}

TEST_F(Routes, the_second_rank_of_a_node_maps_what_the_first_has_once_it_has_it) {
  routes.joined(rank(1), node("n1"), true);
  routes.joined(rank(2), node("n1"), true);
  routes.joined(rank(3), node("n1"), true);
  ask(1);
  ask(2, 22);
  EXPECT_EQ(source(2), -1);
  EXPECT_THAT(told.taken<wire::MapBlob>(rank(2)), IsEmpty()) << "nobody has it yet";
  routes.handle(rank(1), wire::BlobHere{kBlob, 4711, 12});
  EXPECT_THAT(told.taken<wire::MapBlob>(rank(2)), ElementsAre(wire::MapBlob{kWorker, 22, kBlob, 4711, 12, kSize}));
  ask(3, 33);
  EXPECT_THAT(told.taken<wire::MapBlob>(rank(3)), ElementsAre(wire::MapBlob{kWorker, 33, kBlob, 4711, 12, kSize}));
}

TEST_F(Routes, a_rank_that_cannot_map_it_gets_a_copy_from_its_neighbour_and_is_asked_no_more_if_all_is_shut) {
  routes.joined(rank(1), node("n1"), true);
  routes.joined(rank(2), node("n1"), true);
  ask(1);
  routes.handle(rank(1), wire::BlobHere{kBlob, 4711, 12});
  ask(2);
  EXPECT_EQ(told.taken<wire::MapBlob>(rank(2)).size(), 1U);
  routes.handle(rank(2), wire::BlobNotMapped{kWorker, 1, kBlob, true});
  EXPECT_EQ(source(2), 1);
  EXPECT_THAT(told.taken<wire::BlobReady>(rank(2)), ElementsAre(wire::BlobReady{kWorker, 1, kBlob}));
  // Another one it does not try to map.
  routes.forgotten(kBlob);
  content = blob(kSize);
  ask(1);
  ask(2);
  EXPECT_EQ(source(2), 0);
}

TEST_F(Routes, ranks_of_one_host_name_in_two_name_spaces_of_processes_have_a_copy_each) {
  routes.joined(rank(1), {"n1", 1}, true);
  routes.joined(rank(2), {"n1", 2}, true);
  routes.joined(rank(3), {"n1", 0}, true);
  for (int i = 1; i <= 3; ++i) ask(i);
  for (int i = 1; i <= 3; ++i) EXPECT_GE(source(i), 0) << i;
}

TEST_F(Routes, a_rank_of_rank_0s_node_maps_what_rank_0_has) {
  routes.joined(rank(1), node("root"), true);
  ask(1);
  const auto map = told.taken<wire::MapBlob>(rank(1));
  ASSERT_EQ(map.size(), 1U);
  EXPECT_EQ(map[0].pid, ::getpid());
  const channel::MappedBlob mapped(kBlob, {map[0].pid, map[0].fd, map[0].size});
  EXPECT_EQ(mapped.bytes().size(), kSize);
  EXPECT_FALSE(routes.sending());
}

TEST_F(Routes, a_loss_is_told_to_partners_first_and_its_receivers_get_another_source) {
  join(3);
  for (int i = 1; i <= 3; ++i) ask(i);
  EXPECT_EQ(source(3), 1);
  told.messages.clear();
  routes.lost(rank(1));
  ASSERT_GE(told.messages.size(), 2U);
  EXPECT_EQ(told.messages[0].first, rank(3));
  EXPECT_EQ(std::get<wire::RankLost>(told.messages[0].second), wire::RankLost{1});
  EXPECT_EQ(source(3), 2);
  EXPECT_THAT(told.taken<wire::ExpectAsk>(rank(2)), ElementsAre(wire::ExpectAsk{kBlob, 3}));
  EXPECT_THAT(routes.partners_of(rank(3)), ElementsAre(2));
  // Then there is rank 0, which sends what the rank has not got yet, once it is asked.
  routes.lost(rank(2));
  EXPECT_EQ(source(3), 0);
  EXPECT_FALSE(routes.sending());
  routes.handle(rank(3), wire::AskForBlob{kBlob, kSize, 600'000});
  send_all();
  EXPECT_EQ(told.parts[rank(3)], kSize - 600'000);
  EXPECT_EQ(told.offsets[rank(3)].front(), 600'000U);
}

TEST_F(Routes, who_waits_for_a_rank_of_its_node_that_is_lost_gets_a_copy) {
  routes.joined(rank(1), node("n1"), true);
  routes.joined(rank(2), node("n1"), true);
  routes.joined(rank(3), node("n1"), true);
  ask(1);
  ask(2, 22);
  ask(3, 33);
  routes.lost(rank(1));
  EXPECT_EQ(source(2), 0);
  EXPECT_THAT(told.taken<wire::BlobReady>(rank(2)), ElementsAre(wire::BlobReady{kWorker, 22, kBlob}));
  EXPECT_EQ(source(3), -1);
  routes.handle(rank(2), wire::BlobHere{kBlob, 4712, 13});
  EXPECT_THAT(told.taken<wire::MapBlob>(rank(3)), ElementsAre(wire::MapBlob{kWorker, 33, kBlob, 4712, 13, kSize}));
}

TEST_F(Routes, a_source_from_which_nothing_comes_is_nobodys_source_any_more) {
  join(4);
  for (int i = 1; i <= 3; ++i) ask(i);
  EXPECT_EQ(source(3), 1);
  routes.handle(rank(3), wire::BlobLacking{kBlob, 1});
  EXPECT_EQ(source(3), 0);
  routes.handle(rank(3), wire::BlobLacking{kBlob, 1});
  EXPECT_EQ(source(3), -1) << "it has another already";
  routes.handle(rank(1), wire::BlobHere{kBlob, 1, 1});
  ask(4);
  EXPECT_NE(source(4), 1);
  // Of another broadcast it is one, until somebody complains again.
  for (const int expected : {1, 0}) {
    routes.forgotten(kBlob);
    told.messages.clear();
    content = blob(kSize);
    ask(1);
    routes.handle(rank(1), wire::BlobHere{kBlob, 1, 1});
    ask(2);
    EXPECT_EQ(source(2), expected);
    if (expected == 1) routes.handle(rank(2), wire::BlobLacking{kBlob, 1});
  }
}

TEST_F(Routes, several_are_sent_to_a_rank_in_turn) {
  join(1);
  ask(1);
  const auto other = std::make_shared<channel::Blob>(kBlob + 1, kSize);
  ASSERT_TRUE(other->append(content->bytes()));
  routes.asked(rank(1), kWorker, 2, kBlob + 1, other);
  routes.send_pieces([](Rank) { return true; });
  routes.send_pieces([](Rank) { return true; });
  routes.send_pieces([](Rank) { return true; });
  EXPECT_THAT(told.offsets[rank(1)], ElementsAre(0, 0, BlobRoutes::kPiece));
}

TEST_F(Routes, a_rank_to_which_nothing_came_from_two_others_gets_all_from_rank_0) {
  join(6);
  for (int i = 1; i <= 2; ++i) {
    ask(1), ask(2), ask(3), ask(6);
    const int from = source(6);
    ASSERT_GT(from, 0);
    routes.handle(rank(6), wire::BlobLacking{kBlob, from});
    routes.forgotten(kBlob);
    told.messages.clear();
    content = blob(kSize);
  }
  ask(3), ask(4), ask(5), ask(6);
  EXPECT_EQ(source(6), 0);
}

TEST_F(Routes, what_nobody_needs_is_forgotten_by_all_who_have_it_and_told_to_who_waits) {
  join(2);
  routes.joined(rank(3), node("n1"), true);
  ask(1);
  ask(3);
  routes.forgotten(kBlob);
  routes.forgotten(kBlob);
  EXPECT_EQ(told.taken<wire::ForgetBlob>(rank(1)).size(), 1U);
  EXPECT_EQ(told.taken<wire::ForgetBlob>(rank(2)).size(), 0U);
  EXPECT_EQ(told.taken<wire::SideInput>(rank(3)).size(), 1U) << "it is answered";
  EXPECT_FALSE(routes.sending());
  // What was said before it was known makes sense.
  routes.handle(rank(1), wire::BlobHere{kBlob, 1, 1});
  routes.handle(rank(1), wire::BlobLacking{kBlob, 2});
  routes.handle(rank(1), wire::AskForBlob{kBlob, kSize, 0});
  routes.handle(rank(3), wire::BlobNotMapped{kWorker, 1, kBlob, false});
}

TEST_F(Routes, what_makes_no_sense_is_refused) {
  join(3);
  ask(1), ask(2), ask(3);
  EXPECT_THROW(routes.handle(rank(3), wire::AskForBlob{kBlob, kSize, 0}), wire::ProtocolError) << "not from here";
  EXPECT_THROW(routes.handle(rank(1), wire::AskForBlob{kBlob, kSize + 1, 0}), wire::ProtocolError);
  EXPECT_THROW(routes.handle(rank(1), wire::AskForBlob{kBlob, kSize, kSize + 1}), wire::ProtocolError);
  EXPECT_THROW(routes.handle(rank(1), wire::BlobLacking{kBlob, 0}), wire::ProtocolError);
  routes.handle(rank(1), wire::BlobHere{kBlob, 1, 1});
  EXPECT_THROW(routes.handle(rank(1), wire::BlobHere{kBlob, 1, 1}), wire::ProtocolError) << "twice";
  join(4);
  EXPECT_THROW(routes.handle(rank(4), wire::BlobHere{kBlob, 1, 1}), wire::ProtocolError) << "it never asked";
}

}  // namespace
}  // namespace rankpool::engine
