#include "engine/input_queues.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace rankpool::engine {
namespace {

constexpr WorkerId kOne{1};
constexpr WorkerId kOther{2};
constexpr std::size_t kPiece = InputQueues::kPiece;
constexpr std::size_t kWindow = InputQueues::kWindow;

class Queues : public testing::Test {
 protected:
  void push(WorkerId worker, std::size_t size) {
    const auto content = std::make_shared<std::vector<std::byte>>(size);
    for (auto& byte : *content) byte = static_cast<std::byte>(next++);
    pushed.insert(pushed.end(), content->begin(), content->end());
    queues.push(worker, *content, content);
  }
  std::vector<std::size_t> pump(WorkerId worker) {
    std::vector<std::size_t> sizes;
    queues.pump(worker, [&](std::span<const std::byte> piece) {
      sizes.push_back(piece.size());
      sent.insert(sent.end(), piece.begin(), piece.end());
    });
    return sizes;
  }

  InputQueues queues;
  std::vector<std::byte> pushed;
  std::vector<std::byte> sent;
  unsigned next = 0;
};

TEST_F(Queues, send_a_window_in_pieces_and_the_rest_as_it_is_taken) {
  push(kOne, kWindow + kPiece + 7);
  EXPECT_EQ(pump(kOne), std::vector<std::size_t>(kWindow / kPiece, kPiece));
  EXPECT_TRUE(pump(kOne).empty());
  EXPECT_TRUE(queues.taken(kOne, kPiece));
  EXPECT_EQ(pump(kOne), std::vector<std::size_t>{kPiece});
  EXPECT_TRUE(queues.waits(kOne));
  EXPECT_TRUE(queues.taken(kOne, 1));
  EXPECT_EQ(pump(kOne), std::vector<std::size_t>{7});
  EXPECT_FALSE(queues.waits(kOne));
  EXPECT_TRUE(sent == pushed);
}

TEST_F(Queues, keep_the_order_and_the_owner_until_all_of_a_write_is_sent) {
  const auto content = std::make_shared<std::vector<std::byte>>(2 * kWindow);
  push(kOne, 5);
  queues.push(kOne, *content, content);
  EXPECT_EQ(pump(kOne).front(), 5U);
  EXPECT_EQ(content.use_count(), 2);
  EXPECT_TRUE(queues.taken(kOne, kWindow));
  pump(kOne);
  EXPECT_EQ(content.use_count(), 1);
}

TEST_F(Queues, of_one_worker_do_not_hold_up_another) {
  push(kOne, 2 * kWindow);
  pump(kOne);
  push(kOther, 3);
  EXPECT_FALSE(pump(kOther).empty());
  EXPECT_FALSE(queues.waits(kOther));
  EXPECT_TRUE(queues.waits(kOne));
}

TEST_F(Queues, let_go_of_what_waits_for_a_worker_that_is_given_up) {
  const auto content = std::make_shared<std::vector<std::byte>>(2 * kWindow);
  queues.push(kOne, *content, content);
  pump(kOne);
  queues.drop(kOne);
  EXPECT_EQ(content.use_count(), 1);
  EXPECT_TRUE(pump(kOne).empty());
  EXPECT_TRUE(queues.taken(kOne, kPiece)) << "what was on its way may still be answered for";
}

TEST_F(Queues, refuse_an_answer_for_what_was_not_sent) {
  EXPECT_FALSE(queues.taken(kOther, 1));
  push(kOne, 10);
  EXPECT_FALSE(queues.taken(kOne, 1));
  pump(kOne);
  EXPECT_FALSE(queues.taken(kOne, 11));
  EXPECT_TRUE(queues.taken(kOne, 10));
  EXPECT_FALSE(queues.taken(kOne, 1)) << "it was answered for already";
}

}  // namespace
}  // namespace rankpool::engine
