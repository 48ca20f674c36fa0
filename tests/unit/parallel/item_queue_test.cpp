#include "parallel/item_queue.hpp"

#include "parallel/events.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace rankpool::parallel {
namespace {

/// So many items, and then an end or an error.
class Numbers final : public Input {
 public:
  Numbers(std::uint64_t count, bool fails, std::shared_ptr<std::atomic<std::uint64_t>> read)
      : count_(count), fails_(fails), read_(std::move(read)) {}
  std::optional<Item> next() override {
    if (seq_ == count_) {
      if (fails_) throw std::runtime_error("the disk is gone");
      return std::nullopt;
    }
    ++*read_;
    Item item;
    item.seq = ++seq_;
    return item;
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }

 private:
  std::uint64_t count_;
  bool fails_;
  std::shared_ptr<std::atomic<std::uint64_t>> read_;
  std::uint64_t seq_ = 0;
  std::vector<std::string> names_;
};

class Reading : public testing::Test {
 protected:
  std::unique_ptr<ItemQueue> queue(std::uint64_t count, bool read_all, bool fails = false) {
    return std::make_unique<ItemQueue>(std::make_unique<Numbers>(count, fails, read), read_all,
                                       [this] { events.post(LookAgain{}); });
  }
  /// Waits for the next one.
  std::optional<Item> next(ItemQueue& from) {
    for (Item item;;) {
      switch (from.take(item)) {
        case ItemQueue::State::some:
          return item;
        case ItemQueue::State::ended:
          return std::nullopt;
        case ItemQueue::State::none_yet:
          EXPECT_TRUE(events.wait(std::chrono::steady_clock::now() + std::chrono::seconds(20)));
      }
    }
  }
  // The thread of a queue that was given up may still read.
  std::shared_ptr<std::atomic<std::uint64_t>> read = std::make_shared<std::atomic<std::uint64_t>>(0);
  Events events;
};

TEST_F(Reading, items_come_in_order_and_the_number_of_all_is_known_at_the_end) {
  const auto items = queue(2'000, false);
  for (std::uint64_t seq = 1; seq <= 2'000; ++seq) ASSERT_EQ(next(*items)->seq, seq);
  EXPECT_FALSE(next(*items));
  EXPECT_EQ(items->total(), 2'000U);
}

TEST_F(Reading, a_long_list_is_read_only_a_little_ahead) {
  const auto items = queue(1'000'000, false);
  EXPECT_EQ(next(*items)->seq, 1U);
  items->wait_for(512);
  EXPECT_LT(*read, 2'000U);
  EXPECT_FALSE(items->total());
}

TEST_F(Reading, for_percentages_all_of_it_is_read_before_any_is_given) {
  const auto items = queue(5'000, true);
  for (Item item; items->take(item) == ItemQueue::State::none_yet;)
    EXPECT_FALSE(items->total() && *items->total() < 5'000);
  EXPECT_EQ(items->total(), 5'000U);
}

TEST_F(Reading, and_whoever_waits_is_told_of_the_end) {
  const auto items = queue(5'000, true);
  items->wait_for(1'000'000);
  while (!items->total()) std::this_thread::yield();
  EXPECT_EQ(items->total(), 5'000U);
  EXPECT_EQ(next(*items)->seq, 1U);
}

TEST_F(Reading, what_goes_wrong_is_thrown_behind_the_items_before_it) {
  const auto items = queue(2, false, true);
  EXPECT_TRUE(next(*items));
  EXPECT_TRUE(next(*items));
  EXPECT_THROW(next(*items), std::runtime_error);
}

TEST(EventsOfRank0, come_in_order_and_a_wait_ends_in_time) {
  Events events;
  EXPECT_FALSE(events.poll());
  EXPECT_FALSE(events.wait(std::chrono::steady_clock::now() + std::chrono::milliseconds(1)));
  events.post(StopSignal{15});
  events.post(Piece{3, 1, 1, "x"});
  EXPECT_EQ(std::get<StopSignal>(*events.poll()).number, 15);
  EXPECT_EQ(std::get<Piece>(*events.wait(std::chrono::steady_clock::time_point::max())).seq, 3U);
}

TEST(EventsOfRank0, pieces_wait_for_room_until_they_are_looked_at_or_nobody_does) {
  Events events;
  for (int i = 0; i < 16; ++i) events.post(Piece{1, 1, 1, "x"});
  std::atomic<int> passed{0};
  std::thread reader([&] {
    events.wait_for_room();
    ++passed;
    events.post(Piece{1, 1, 1, "y"});
    events.wait_for_room();
    ++passed;
  });
  EXPECT_TRUE(events.poll());
  while (passed == 0) std::this_thread::yield();
  events.stop_looking();
  reader.join();
  EXPECT_EQ(passed, 2);
}

}  // namespace
}  // namespace rankpool::parallel
