#include <rankpool/detail/submit.hpp>

#include "maps.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

std::size_t length(const std::string& text) { return text.size(); }

/// Notes what is handed in, and may end items at once as an engine would.
class NotingPool final : public PoolClient {
 public:
  struct Line final : WorkControl {
    explicit Line(NotingPool& pool) : pool_(pool) {}
    void extend(std::uint64_t more) override { pool_.got(more); }
    void seal() override { pool_.sealed = true; }
    void cancel() override {}

   private:
    NotingPool& pool_;
  };
  void check_open() override {}
  void submit(Ref<ResultReceiver>) override {}
  std::shared_ptr<WorkControl> submit(Ref<ResultReceiver> receiver, const WorkOptions& options) override {
    receiver_ = std::move(receiver);
    handed_in = options;
    got(options.items);
    return std::make_shared<Line>(*this);
  }
  void close(bool) override {}
  void stop(int) override {}
  void wait_ended() override {}
  void wait_ready() override {}
  [[nodiscard]] int workers_alive() const override { return 1; }
  [[nodiscard]] Insights insights() const override { return {}; }
  [[nodiscard]] int max_workers() const override { return 1; }

  bool ends_at_once = false;
  std::optional<WorkOptions> handed_in;
  std::vector<std::uint64_t> pieces;
  bool sealed = false;

  [[nodiscard]] std::uint64_t items() const { return first_; }

 private:
  void got(std::uint64_t more) {
    pieces.push_back(more);
    for (std::uint64_t i = first_; i < first_ + more && ends_at_once; ++i) {
      receiver_->values(i, 1, std::as_bytes(std::span(&i, 1)));
    }
    first_ += more;
  }
  Ref<ResultReceiver> receiver_;
  std::uint64_t first_ = 0;
};

constexpr std::size_t kMebibyte = std::size_t{1} << 20U;

auto map_lengths(NotingPool& pool, const auto& texts, std::optional<std::uint64_t> buffer = {}) {
  MapRequest request;
  request.buffersize = buffer;
  return map_ranges(pool, request, length, texts);
}

TEST(HandInMap, large_items_are_handed_in_while_more_are_encoded) {
  NotingPool pool;
  const std::vector<std::string> texts(7, std::string(kMebibyte, 'x'));
  const auto results = map_lengths(pool, texts);
  EXPECT_TRUE(pool.handed_in->open);
  EXPECT_TRUE(pool.sealed);
  EXPECT_EQ(pool.pieces, (std::vector<std::uint64_t>{2, 2, 2, 1}));
  EXPECT_GE(pool.handed_in->item_bytes, kMebibyte);
}

TEST(HandInMap, small_items_are_handed_in_together) {
  NotingPool pool;
  const std::vector<std::string> texts(3'000, std::string(1'000, 'x'));
  const auto results = map_lengths(pool, texts);
  EXPECT_FALSE(pool.handed_in->open);
  EXPECT_EQ(pool.pieces, std::vector<std::uint64_t>{3'000});
}

TEST(HandInMap, a_buffer_of_large_items_is_read_as_far_as_it_goes) {
  NotingPool pool;
  const std::vector<std::string> texts(9, std::string(kMebibyte, 'x'));
  const auto results = map_lengths(pool, texts, 5);
  EXPECT_TRUE(pool.handed_in->open);
  EXPECT_FALSE(pool.sealed);
  EXPECT_EQ(pool.pieces, (std::vector<std::uint64_t>{2, 2, 1}));
}

TEST(HandInMap, input_that_throws_between_pieces_has_handed_in_what_came_before) {
  NotingPool pool;
  pool.ends_at_once = true;
  const auto texts = std::views::iota(0, 9) | std::views::transform([](int i) {
                       if (i == 5) throw std::range_error("the input");
                       return std::string(kMebibyte, 'x');
                     });
  auto results = map_lengths(pool, texts);
  EXPECT_EQ(pool.items(), 5U);
  EXPECT_TRUE(pool.sealed);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(results.next(), i);
  EXPECT_THROW((void)results.next(), std::range_error);
}

TEST(HandInMap, who_waits_in_vain_for_items_to_end_reads_on) {
  NotingPool pool;
  const std::vector<std::string> texts(40, std::string(kMebibyte, 'x'));
  const auto begin = std::chrono::steady_clock::now();
  const auto results = map_lengths(pool, texts);
  EXPECT_EQ(pool.items(), texts.size());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(10));
}

TEST(HandInMap, bytes_of_items_are_awaited_until_they_have_ended) {
  Map<long> map(Ints(64, 1));
  EXPECT_TRUE(map.state->await_fewer_bytes(64 * sizeof(int), std::chrono::seconds(0)));
  EXPECT_FALSE(map.state->await_fewer_bytes(0, std::chrono::milliseconds(1)));
  std::jthread engine([&] { map.values(0, std::vector<long>(64)); });
  EXPECT_TRUE(map.state->await_fewer_bytes(0, std::chrono::seconds(20)));
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
