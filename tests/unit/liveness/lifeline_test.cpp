#include "unit/liveness/lines.hpp"

#include <csignal>
#include <cstdint>

namespace rankpool::liveness {
namespace {

TEST(Lifelines, rank_with_the_token_joins) {
  LifelineServer server(3, {});
  const Lifeline rank(Rank{2}, server.invitation(), {});
  const Events events = told(server, Kind::joined);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].rank, Rank{2});
}

TEST(Lifelines, every_job_has_a_token_of_its_own) {
  const LifelineServer one(2, {});
  const LifelineServer other(2, {});
  EXPECT_FALSE(same_token(one.invitation().token, other.invitation().token));
}

TEST(Lifelines, nothing_to_tell_is_false) {
  Pair pair;
  Events events;
  EXPECT_FALSE(pair.server.poll(events));
  EXPECT_FALSE(pair.rank.poll(events));
  EXPECT_TRUE(events.empty());
}

TEST(Lifelines, joins_over_i_pv4_loopback) {
  LifelineServer server(2, {});
  Invitation invitation = server.invitation();
  invitation.addresses = {"127.0.0.1"};
  const Lifeline rank(Rank{1}, invitation, {});
  told(server, Kind::joined);
}

TEST(Lifelines, joins_over_i_pv6_loopback) {
  const auto own = own_addresses("");
  if (std::find(own.begin(), own.end(), "::1") == own.end()) GTEST_SKIP() << "this machine has no ::1";
  LifelineServer server(2, {});
  Invitation invitation = server.invitation();
  invitation.addresses = {"::1"};
  const Lifeline rank(Rank{1}, invitation, {});
  told(server, Kind::joined);
}

TEST(Lifelines, joins_by_the_named_interface) {
  for (const char* const interface : {"lo", "127.0.0.1"}) {
    LifelineServer server(2, {10s, interface});
    ASSERT_FALSE(server.invitation().addresses.empty()) << interface;
    EXPECT_EQ(server.invitation().addresses[0], "127.0.0.1") << interface;
    const Lifeline rank(Rank{1}, server.invitation(), {});
    told(server, Kind::joined);
  }
}

TEST(Lifelines, joins_by_any_address_where_the_interface_is_none) {
  LifelineServer server(2, {10s, "no_such_interface"});
  EXPECT_EQ(server.invitation().addresses, own_addresses(""));
  const Lifeline rank(Rank{1}, server.invitation(), {});
  told(server, Kind::joined);
}

TEST(Lifelines, next_address_is_tried_when_one_does_not_answer) {
  LifelineServer server(2, {});
  Invitation invitation = server.invitation();
  // Nothing listens on the first, and the second is no address at all.
  invitation.addresses = {"127.0.0.255", "nonsense", "127.0.0.1"};
  const Lifeline rank(Rank{1}, invitation, {});
  told(server, Kind::joined);
}

TEST(Lifelines, unreachable_rank_zero_is_told_with_its_addresses) {
  Invitation invitation;
  {
    const LifelineServer server(2, {});
    invitation = server.invitation();
  }
  invitation.addresses = {"127.0.0.1"};
  try {
    const Lifeline rank(Rank{1}, invitation, {});
    FAIL() << "it connected";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string(e.what()).find("127.0.0.1 (Connection refused)"), std::string::npos) << e.what();
  }
}

TEST(Lifelines, bell_rings_both_ways) {
  Pair pair;
  pair.rank.ring();
  EXPECT_EQ(told(pair.server, Kind::ring)[0].rank, Rank{1});
  pair.server.ring(Rank{1});
  EXPECT_EQ(told(pair.rank, Kind::ring)[0].rank, Rank{0});
}

TEST(Lifelines, who_falls_asleep_says_how_much_it_has_received) {
  Pair pair;
  pair.rank.asleep(UINT64_MAX);
  EXPECT_EQ(told(pair.server, Kind::asleep)[0].received, UINT64_MAX);
  pair.server.asleep(Rank{1}, 4711);
  EXPECT_EQ(told(pair.rank, Kind::asleep)[0].received, 4711U);
}

TEST(Lifelines, signals_arrive_in_order_and_complete) {
  Pair pair;
  for (std::uint64_t i = 0; i < 2000; ++i) pair.rank.asleep(i);
  const Events events = told(pair.server, Kind::asleep, 2000);
  for (std::uint64_t i = 0; i < 2000; ++i) ASSERT_EQ(events[i].received, i);
}

TEST(Lifelines, bells_that_nobody_hears_do_not_block) {
  Pair pair;
  for (int i = 0; i < 500'000; ++i) pair.server.ring(Rank{1});
  const Events events = told(pair.rank, Kind::ring);
  EXPECT_EQ(count(events, Kind::lost), 0);
}

TEST(Lifelines, closed_line_is_a_death_on_the_other_side) {
  LifelineServer server(2, {});
  auto rank = std::make_unique<Lifeline>(Rank{1}, server.invitation(), LifelineOptions{});
  told(server, Kind::joined);
  rank.reset();
  const auto since = Clock::now();
  const Events events = told(server, Kind::lost);
  EXPECT_LT(Clock::now() - since, 100ms);
  EXPECT_EQ(events[0].rank, Rank{1});
  EXPECT_EQ(events[0].text, "connection closed");
}

TEST(Lifelines, end_of_rank_zero_is_told_to_the_rank) {
  auto server = std::make_unique<LifelineServer>(2, LifelineOptions{});
  Lifeline rank(Rank{1}, server->invitation(), {});
  told(*server, Kind::joined);
  server.reset();
  EXPECT_EQ(told(rank, Kind::lost)[0].text, "connection closed");
  Events later;
  EXPECT_FALSE(rank.poll(later));
  rank.ring();
  rank.asleep(1);
}

TEST(Lifelines, reset_line_is_a_death) {
  LifelineServer server(2, {});
  Stranger rank(server.invitation());
  rank.say(hello_of(server.invitation(), 1));
  told(server, Kind::joined);
  rank.reset();
  const Events events = told(server, Kind::lost);
  EXPECT_EQ(events[0].rank, Rank{1});
  EXPECT_NE(events[0].text.find("reset"), std::string::npos) << events[0].text;
}

TEST(Lifelines, what_was_said_before_the_death_is_told_before_it) {
  LifelineServer server(2, {});
  auto rank = std::make_unique<Lifeline>(Rank{1}, server.invitation(), LifelineOptions{});
  rank->ring();
  rank->asleep(5);
  rank.reset();
  const Events events = told(server, Kind::lost);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].kind, Kind::joined);
  EXPECT_EQ(events[1].kind, Kind::ring);
  EXPECT_EQ(events[2].kind, Kind::asleep);
}

TEST(Lifelines, death_is_told_once) {
  LifelineServer server(2, {});
  { const Lifeline rank(Rank{1}, server.invitation(), {}); }
  told(server, Kind::lost);
  Events later;
  for (int i = 0; i < 5; ++i) server.poll(later);
  EXPECT_TRUE(later.empty());
  server.ring(Rank{1});
  server.drop(Rank{1});
}

TEST(Lifelines, nonsense_on_an_open_line_is_a_death) {
  LifelineServer server(2, {});
  Stranger rank(server.invitation());
  rank.say(hello_of(server.invitation(), 1));
  rank.say(std::string(64, 'x').data(), 64);
  const Events events = told(server, Kind::lost);
  EXPECT_NE(find(events, Kind::lost)->text.find("makes no sense"), std::string::npos);
  EXPECT_TRUE(rank.was_closed());
}

TEST(Lifelines, exit_notice_tells_how_the_rank_ended_and_keeps_the_line) {
  Pair pair;
  send_exit_notice(pair.rank.fd(), SIGSEGV);
  const Events events = told(pair.server, Kind::lost);
  EXPECT_EQ(events[0].wait_status, SIGSEGV);
  // The keeper of the dead rank takes the end of the line for the end of the job.
  pair.server.drop(Rank{1});
  Events rest;
  EXPECT_FALSE(pair.rank.poll(rest));
  EXPECT_TRUE(rest.empty());
}

TEST(Lifelines, dropped_rank_sees_the_end_and_cannot_come_back) {
  Pair pair;
  pair.server.drop(Rank{1});
  told(pair.rank, Kind::lost);
  Lifeline again(Rank{1}, pair.server.invitation(), {});
  EXPECT_NE(told(pair.server, Kind::stranger)[0].text.find("rank 1"), std::string::npos);
  told(again, Kind::lost);
}

TEST(Lifelines, rank_dropped_before_it_came_is_refused) {
  LifelineServer server(2, {});
  server.drop(Rank{1});
  Lifeline late(Rank{1}, server.invitation(), {});
  told(server, Kind::stranger);
  told(late, Kind::lost);
}

TEST(Lifelines, more_ranks_than_the_soft_limit_of_files_join) {
  const FileLimit limit(64);
  LifelineServer server(101, {});
  std::vector<std::unique_ptr<Lifeline>> ranks;
  for (int rank = 1; rank <= 100; ++rank) {
    ranks.push_back(std::make_unique<Lifeline>(Rank{rank}, server.invitation(), LifelineOptions{}));
  }
  told(server, Kind::joined, 100);
}

TEST(Lifelines, server_and_its_lines_leave_no_descriptor) {
  const long before = open_descriptors();
  for (int i = 0; i < 10; ++i) Pair pair;
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace rankpool::liveness
