#include "support/loop_network.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace rankpool::transport {
namespace {

detail::Bytes number(std::uint64_t value) {
  detail::Bytes bytes;
  bytes.append(&value, sizeof value);
  return bytes;
}

std::uint64_t number(const Incoming& message) {
  std::uint64_t value = 0;
  EXPECT_EQ(message.bytes.size(), sizeof value);
  std::memcpy(&value, message.bytes.data(), sizeof value);
  return value;
}

TEST(LoopTransportTest, messages_arrive_whole_and_in_order) {
  test::LoopNetwork network(2);
  const auto a = network.transport(Rank{0});
  const auto b = network.transport(Rank{1});
  std::vector<Incoming> arrived;
  EXPECT_FALSE(b->poll(arrived));
  for (std::uint64_t i = 0; i < 10; ++i) a->send(Rank{1}, number(i));
  EXPECT_EQ(a->sent_to(Rank{1}), 10U);
  EXPECT_TRUE(b->poll(arrived));
  ASSERT_EQ(arrived.size(), 10U);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(number(arrived[i]), i);
  EXPECT_EQ(b->received_from(Rank{0}), 10U);
}

TEST(LoopTransportTest, ranks_in_threads_of_their_own_lose_nothing) {
  constexpr std::uint64_t count = 10'000;
  test::LoopNetwork network(4);
  std::vector<std::thread> threads;
  for (std::int32_t own = 0; own < 4; ++own) {
    threads.emplace_back([&network, own] {
      const auto transport = network.transport(Rank{own});
      std::vector<Incoming> arrived;
      std::vector<std::uint64_t> next(4);
      std::uint64_t total = 0;
      for (std::uint64_t i = 0; i < count || total < 3 * count;) {
        for (std::int32_t to = 0; i < count && to < 4; ++to) {
          if (to != own) transport->send(Rank{to}, number(i));
        }
        if (i < count) ++i;
        if (!transport->poll(arrived)) std::this_thread::yield();
        for (const auto& message : arrived) {
          EXPECT_EQ(number(message), next[static_cast<std::size_t>(raw(message.from))]++);
          ++total;
        }
        arrived.clear();
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST(LoopTransportTest, what_the_dead_had_sent_arrives_and_what_is_sent_to_them_does_not) {
  test::LoopNetwork network(2);
  const auto a = network.transport(Rank{0});
  const auto b = network.transport(Rank{1});
  b->send(Rank{0}, number(1));
  network.kill(Rank{1});
  b->send(Rank{0}, number(2));
  a->send(Rank{1}, number(3));
  std::vector<Incoming> arrived;
  a->poll(arrived);
  ASSERT_EQ(arrived.size(), 1U);
  EXPECT_EQ(number(arrived[0]), 1U);
  arrived.clear();
  b->poll(arrived);
  EXPECT_TRUE(arrived.empty());
}

TEST(LoopTransportTest, what_is_held_is_unsent_until_it_is_released) {
  test::LoopNetwork network(2);
  const auto a = network.transport(Rank{0});
  const auto b = network.transport(Rank{1});
  network.hold(Rank{0}, Rank{1});
  a->send(Rank{1}, number(1));
  EXPECT_TRUE(a->busy());
  EXPECT_EQ(a->unsent(), 8U);
  std::vector<Incoming> arrived;
  EXPECT_FALSE(b->poll(arrived));
  network.release(Rank{0}, Rank{1});
  EXPECT_FALSE(a->busy());
  EXPECT_TRUE(b->poll(arrived));
}

TEST(LoopTransportTest, a_forgotten_rank_is_not_heard_and_not_spoken_to) {
  test::LoopNetwork network(2);
  const auto a = network.transport(Rank{0});
  const auto b = network.transport(Rank{1});
  b->send(Rank{0}, number(1));
  a->forget(Rank{1});
  a->send(Rank{1}, number(2));
  std::vector<Incoming> arrived;
  EXPECT_FALSE(a->poll(arrived));
  EXPECT_FALSE(b->poll(arrived));
}

TEST(LoopTransportTest, a_broken_peer_is_told_once) {
  test::LoopNetwork network(2);
  const auto a = network.transport(Rank{0});
  network.break_between(Rank{0}, Rank{1}, "the cable is on fire");
  std::vector<Incoming> arrived;
  EXPECT_TRUE(a->poll(arrived));
  const auto broken = a->take_broken();
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0].peer, Rank{1});
  EXPECT_EQ(broken[0].how, "the cable is on fire");
  EXPECT_FALSE(a->poll(arrived));
  EXPECT_TRUE(a->take_broken().empty());
}

}  // namespace
}  // namespace rankpool::transport
