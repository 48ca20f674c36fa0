#include "unit/liveness/lines.hpp"

#include <fcntl.h>
#include <array>
#include <cstring>

// What connects to the lifeline socket without belonging to the job: closed, logged, and no harm done.
namespace rankpool::liveness {
namespace {

class Strangers : public testing::Test {
 protected:
  void SetUp() override { make_room_for_descriptors(4096); }
  /// The server closes this one, says why, and still takes a real member.
  void expect_refused(const Stranger& stranger, const std::string& why) {
    const Events events = told(server, Kind::stranger);
    const std::string text = events.empty() ? "" : events[0].text;
    EXPECT_NE(text.find("127.0.0.1 port "), std::string::npos) << text;
    EXPECT_NE(text.find(why), std::string::npos) << text;
    EXPECT_TRUE(stranger.was_closed());
    expect_member_joins();
  }
  void expect_member_joins() {
    const Lifeline member(Rank{1}, server.invitation(), {});
    EXPECT_EQ(told(server, Kind::joined)[0].rank, Rank{1});
  }

  LifelineServer server{3, {}};
};

TEST_F(Strangers, wrong_token_is_refused) {
  const Stranger stranger(server.invitation());
  Handshake hello = hello_of(server.invitation(), 1);
  hello.token.back() ^= std::byte{1};
  stranger.say(hello);
  expect_refused(stranger, "token");
}

TEST_F(Strangers, wrong_version_is_refused) {
  const Stranger stranger(server.invitation());
  Handshake hello = hello_of(server.invitation(), 1);
  ++hello.version;
  stranger.say(hello);
  expect_refused(stranger, "closed");
}

TEST_F(Strangers, garbage_is_refused) {
  const Stranger stranger(server.invitation());
  const std::string request = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a scanner of ports\r\n\r\n";
  stranger.say(request.data(), request.size());
  expect_refused(stranger, "token");
}

TEST_F(Strangers, rank_that_is_not_awaited_is_refused) {
  for (const int rank : {0, -1, 3, 1 << 30}) {
    const Stranger stranger(server.invitation());
    stranger.say(hello_of(server.invitation(), rank));
    told(server, Kind::stranger);
    EXPECT_TRUE(stranger.was_closed()) << rank;
  }
  expect_member_joins();
}

TEST_F(Strangers, second_of_the_same_rank_is_refused_and_the_first_stays) {
  Lifeline first(Rank{1}, server.invitation(), {});
  told(server, Kind::joined);
  Lifeline second(Rank{1}, server.invitation(), {});
  told(server, Kind::stranger);
  told(second, Kind::lost);
  server.ring(Rank{1});
  told(first, Kind::ring);
}

TEST_F(Strangers, end_before_the_handshake_is_told) {
  Stranger stranger(server.invitation());
  const Handshake hello = hello_of(server.invitation(), 1);
  stranger.say(&hello, sizeof hello / 2);
  stranger.close();
  const Events events = told(server, Kind::stranger);
  EXPECT_NE(events[0].text.find("ended before"), std::string::npos) << events[0].text;
  expect_member_joins();
}

TEST_F(Strangers, reset_before_the_handshake_is_told) {
  Stranger stranger(server.invitation());
  stranger.reset();
  // Linux may drop it from the queue of connections before it is accepted: then there is nothing to tell.
  Events events;
  for (int i = 0; i < 20; ++i) {
    ::poll(nullptr, 0, 1);
    server.poll(events);
  }
  EXPECT_EQ(count(events, Kind::joined), 0);
  expect_member_joins();
}

TEST_F(Strangers, silence_and_half_a_hello_are_refused_in_time) {
  const Stranger silent(server.invitation());
  const Stranger half(server.invitation());
  const Handshake hello = hello_of(server.invitation(), 1);
  half.say(&hello, sizeof hello - 1);
  const auto since = Clock::now();
  const Events events = told(server, Kind::stranger, 2);
  EXPECT_LT(Clock::now() - since, 4s);
  EXPECT_NE(events[0].text.find("said nothing"), std::string::npos) << events[0].text;
  EXPECT_TRUE(silent.was_closed());
  EXPECT_TRUE(half.was_closed());
  expect_member_joins();
}

TEST_F(Strangers, hello_in_pieces_is_accepted) {
  const Stranger member(server.invitation());
  const Handshake hello = hello_of(server.invitation(), 1);
  Events events;
  const auto* bytes = reinterpret_cast<const char*>(&hello);
  for (std::size_t i = 0; i < sizeof hello; ++i) {
    EXPECT_EQ(count(events, Kind::joined), 0);
    member.say(bytes + i, 1);
    server.poll(events);
  }
  if (count(events, Kind::joined) == 0) told(server, Kind::joined);
}

TEST_F(Strangers, bell_in_the_same_packet_as_the_hello_is_heard) {
  const Stranger member(server.invitation());
  struct {
    Handshake hello;
    LifelineMessage message;
  } const both{hello_of(server.invitation(), 1), {LifelineMessage::Kind::asleep, 12}};
  member.say(both);
  EXPECT_EQ(find(told(server, Kind::asleep), Kind::asleep)->received, 12U);
}

TEST_F(Strangers, are_turned_away_when_no_file_can_be_opened_and_do_not_keep_the_server_awake) {
  std::vector<Stranger> crowd;
  for (int i = 0; i < 10; ++i) crowd.emplace_back(server.invitation());
  std::vector<int> files;
  Events events;
  {
    const FileLimit limit(64);
    for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) files.push_back(fd);
    events = told(server, Kind::stranger, 10);
    EXPECT_FALSE(server.poll(events));
  }
  for (const int fd : files) ::close(fd);
  EXPECT_NE(events.back().text.find("too many open files"), std::string::npos) << events.back().text;
  for (const auto& stranger : crowd) EXPECT_TRUE(stranger.was_closed());
  expect_member_joins();
}

enum class Habit { silent, garbage, wrong_token, leaves, half };

class ThousandStrangers : public Strangers, public testing::WithParamInterface<Habit> {};

TEST_P(ThousandStrangers, do_no_harm_to_members) {
  Events seen;
  server.poll(seen);
  const long before = open_descriptors();
  {
    auto early = std::make_unique<Lifeline>(Rank{1}, server.invitation(), LifelineOptions{});
    told(server, Kind::joined);
    std::vector<Stranger> crowd;
    const auto arrive = [&](int number) {
      for (int i = 0; i < number; ++i) {
        Handshake hello = hello_of(server.invitation(), 1);
        hello.token = {};
        crowd.emplace_back(server.invitation());
        if (GetParam() == Habit::garbage) crowd.back().say(std::string(100, '?').data(), 100);
        if (GetParam() == Habit::wrong_token) crowd.back().say(hello);
        if (GetParam() == Habit::half) crowd.back().say(&hello, 20);
        if (GetParam() == Habit::leaves) crowd.back().close();
      }
    };
    arrive(500);
    Lifeline late(Rank{2}, server.invitation(), {});
    arrive(500);
    const Events events = told(server, [](const Events& all) {
      const LifelineEvent* const joined = find(all, Kind::joined);
      return joined != nullptr && joined->rank == Rank{2};
    });
    EXPECT_EQ(count(events, Kind::lost), 0);
    early.reset();
    const auto since = Clock::now();
    EXPECT_EQ(find(told(server, Kind::lost), Kind::lost)->rank, Rank{1});
    EXPECT_LT(Clock::now() - since, 100ms);
    server.ring(Rank{2});
    told(late, Kind::ring);
  }
  Events rest;
  const auto deadline = Clock::now() + 5s;
  while (open_descriptors() != before && Clock::now() < deadline) {
    ::poll(nullptr, 0, 5);
    server.poll(rest);
  }
  EXPECT_EQ(open_descriptors(), before);
}

std::string name_of(const testing::TestParamInfo<Habit>& habit) {
  constexpr std::array names{"Silence", "Garbage", "WrongToken", "Leaving", "HalfAHello"};
  return names[static_cast<std::size_t>(habit.param)];
}
INSTANTIATE_TEST_SUITE_P(Of, ThousandStrangers,
                         testing::Values(Habit::silent, Habit::garbage, Habit::wrong_token, Habit::leaves, Habit::half),
                         name_of);

}  // namespace
}  // namespace rankpool::liveness
