#include "transport/mpi_inbox.hpp"

#include <gmock/gmock.h>

#include <cstring>

namespace rankpool::transport {
namespace {

using testing::HasSubstr;

constexpr Rank kPeer{1};
constexpr std::size_t kMiB = std::size_t{1} << 20U;

/// An inbox whose MPI is this test: what is started is complete when the test says so.
class InboxTest : public testing::Test {
 protected:
  std::size_t start() {
    std::size_t count = 0;
    while (auto next = in.next_to_start()) {
      started.push_back(*next);
      ++count;
    }
    return count;
  }
  void land(std::size_t i) { started.at(i).entry->done = true; }
  std::string hand_out() { return in.hand_out(kPeer, arrived).value_or("all is well"); }
  void announce(std::uint64_t length) {
    in.matched(Tag::begin, MPI_MESSAGE_NULL, sizeof length);
    ASSERT_EQ(start(), 1U);
    std::memcpy(started.back().data, &length, sizeof length);
    land(started.size() - 1);
    ASSERT_EQ(hand_out(), "all is well");
  }

  Inbox in;
  std::vector<Inbox::Start> started;
  std::vector<Incoming> arrived;
};

TEST_F(InboxTest, hands_out_in_the_order_of_matching_not_of_landing) {
  for (const std::size_t size : {1U, 2U, 3U}) in.matched(Tag::whole, MPI_MESSAGE_NULL, size);
  EXPECT_EQ(start(), 3U);
  land(1);
  EXPECT_EQ(hand_out(), "all is well");
  EXPECT_TRUE(arrived.empty());
  land(0);
  EXPECT_EQ(hand_out(), "all is well");
  ASSERT_EQ(arrived.size(), 2U);
  EXPECT_EQ(arrived[0].bytes.size(), 1U);
  EXPECT_EQ(arrived[1].bytes.size(), 2U);
  EXPECT_EQ(in.size(), 1U);
}

TEST_F(InboxTest, puts_parts_into_their_places_whatever_lands_first) {
  announce(10);
  for (const std::size_t size : {4U, 4U, 2U}) in.matched(Tag::part, MPI_MESSAGE_NULL, size);
  in.matched(Tag::whole, MPI_MESSAGE_NULL, 1);
  ASSERT_EQ(start(), 4U);
  std::memcpy(started[3].data, "89", 2);
  land(3);
  land(4);
  EXPECT_EQ(hand_out(), "all is well");
  std::memcpy(started[2].data, "4567", 4);
  land(2);
  std::memcpy(started[1].data, "0123", 4);
  land(1);
  EXPECT_EQ(hand_out(), "all is well");
  ASSERT_EQ(arrived.size(), 2U);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(arrived[0].bytes.data()), arrived[0].bytes.size()), "0123456789");
  EXPECT_TRUE(in.empty());
}

TEST_F(InboxTest, parts_wait_for_the_length_that_stands_before_them) {
  in.matched(Tag::begin, MPI_MESSAGE_NULL, 8);
  in.matched(Tag::part, MPI_MESSAGE_NULL, 5);
  EXPECT_EQ(start(), 1U);
  EXPECT_EQ(hand_out(), "all is well");
  const std::uint64_t length = 5;
  std::memcpy(started[0].data, &length, sizeof length);
  land(0);
  EXPECT_EQ(hand_out(), "all is well");
  EXPECT_EQ(start(), 1U);
  land(1);
  EXPECT_EQ(hand_out(), "all is well");
  ASSERT_EQ(arrived.size(), 1U);
}

TEST_F(InboxTest, a_claimed_length_costs_no_memory_until_it_arrives) {
  announce(std::uint64_t{1} << 60U);  // more than there is
  in.matched(Tag::part, MPI_MESSAGE_NULL, 4 * kMiB);
  EXPECT_EQ(start(), 1U);
}

TEST_F(InboxTest, a_message_does_not_move_while_it_is_written_to) {
  announce(200 * kMiB);
  std::size_t matched = 0;
  for (; matched < 17; ++matched) in.matched(Tag::part, MPI_MESSAGE_NULL, 4 * kMiB);
  // 16 of them fill the first room; the next has to wait until all those have landed.
  EXPECT_EQ(start(), 16U);
  for (std::size_t i = 1; i < 16; ++i) land(i);
  EXPECT_EQ(hand_out(), "all is well");
  EXPECT_EQ(start(), 0U);
  land(16);
  EXPECT_EQ(hand_out(), "all is well");
  EXPECT_EQ(start(), 1U);
}

TEST_F(InboxTest, refuses_a_part_of_no_message) {
  in.matched(Tag::part, MPI_MESSAGE_NULL, 5);
  EXPECT_EQ(start(), 0U);
  EXPECT_EQ(hand_out(), "a part of no message");
}

TEST_F(InboxTest, refuses_a_part_beyond_the_length) {
  announce(10);
  in.matched(Tag::part, MPI_MESSAGE_NULL, 11);
  EXPECT_EQ(start(), 0U);
  EXPECT_EQ(hand_out(), "a part longer than what was missing");
}

TEST_F(InboxTest, refuses_an_empty_part) {
  announce(10);
  in.matched(Tag::part, MPI_MESSAGE_NULL, 0);
  EXPECT_EQ(start(), 0U);
  EXPECT_EQ(hand_out(), "a part longer than what was missing");
}

TEST_F(InboxTest, refuses_a_message_amid_the_parts_of_another) {
  announce(10);
  in.matched(Tag::whole, MPI_MESSAGE_NULL, 3);
  start();
  EXPECT_EQ(hand_out(), "a message amid the parts of another");
}

TEST_F(InboxTest, refuses_a_length_amid_the_parts_of_another) {
  announce(10);
  in.matched(Tag::begin, MPI_MESSAGE_NULL, 8);
  start();
  land(1);
  EXPECT_EQ(hand_out(), "a message amid the parts of another");
}

TEST_F(InboxTest, refuses_a_length_of_another_size) {
  in.matched(Tag::begin, MPI_MESSAGE_NULL, 4);
  EXPECT_EQ(start(), 0U);
  EXPECT_EQ(hand_out(), "a length of another size");
}

TEST_F(InboxTest, refuses_a_length_of_nothing) {
  in.matched(Tag::begin, MPI_MESSAGE_NULL, 8);
  ASSERT_EQ(start(), 1U);
  const std::uint64_t length = 0;
  std::memcpy(started[0].data, &length, sizeof length);
  land(0);
  EXPECT_EQ(hand_out(), "a message in parts that is empty");
}

TEST_F(InboxTest, refuses_an_unknown_kind) {
  in.matched(Tag{17}, MPI_MESSAGE_NULL, 8);
  EXPECT_EQ(start(), 0U);
  EXPECT_EQ(hand_out(), "a message of an unknown kind");
}

}  // namespace
}  // namespace rankpool::transport
