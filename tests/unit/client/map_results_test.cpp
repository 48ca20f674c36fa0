#include <rankpool/map_results.hpp>

#include "maps.hpp"

#include <rankpool/serialization.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace rankpool::inline v0_2::detail {
namespace {

TEST(MapResults, closing_cancels_and_dropping_does_not) {
  Map<int> closed({1, 2});
  closed.results.close();
  EXPECT_TRUE(closed.control->cancelled);
  EXPECT_EQ(closed.results.next(), std::nullopt);
  Map<int> dropped({1, 2});
  dropped.results = {};
  EXPECT_FALSE(dropped.control->cancelled);
  dropped.values(0, {1, 2});
}

TEST(MapResults, of_no_items_are_at_their_end_at_once) {
  Map<int> map({});
  EXPECT_EQ(map.results.begin(), map.results.end());
  EXPECT_EQ(MapResults<int>().next(), std::nullopt);
}

static_assert(std::ranges::input_range<MapResults<int>>);

/// Gives the numbers from 0 on, and notes how many were asked for.
struct Counting final : MapSource {
  explicit Counting(std::uint64_t& count, std::uint64_t end = UINT64_MAX, std::uint64_t bad = UINT64_MAX)
      : read_(count), end_(end), bad_(bad) {}
  std::uint64_t read(MapItems& to, std::uint64_t items) override {
    std::uint64_t got = 0;
    for (; got < items && read_ < end_; ++got) {
      if (read_ == bad_) throw std::range_error("the input");
      const auto item = static_cast<int>(read_++);
      to.append([&](Bytes& bytes) { bytes.append(&item, sizeof item); }, [](Bytes&) {});
    }
    return got;
  }
  std::uint64_t& read_;
  const std::uint64_t end_;
  const std::uint64_t bad_;
};

/// Results of a map with a buffer of so many chunks, and the engine's end of it.
struct Lazy {
  Lazy(std::uint64_t chunk, std::uint64_t buffer, std::uint64_t end = UINT64_MAX, std::uint64_t bad = UINT64_MAX) {
    auto source = std::make_unique<Counting>(read, end, bad);
    source->read(state->items(), buffer * chunk);
    state->items().flush();
    state->appended();
    results = MapResults<int>(state, control, std::move(source), nullptr, std::nullopt, buffer * chunk, chunk);
  }
  /// The next item ends with its own number.
  void end_next() {
    state->values(ended, 1, std::as_bytes(std::span(&value, 1)));
    value = static_cast<int>(++ended);
  }
  std::uint64_t read = 0;
  std::uint64_t ended = 0;
  int value = 0;
  std::shared_ptr<Control> control = std::make_shared<Control>();
  Ref<MapState<int>> state{new MapState<int>(false)};
  MapResults<int> results;
};

// MAP-26 to MAP-28
TEST(MapResults, each_next_reads_one_chunk_more_the_first_too) {
  Lazy one(1, 2);
  EXPECT_EQ(one.read, 2U);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_THROW((void)one.results.next(0s), TimeoutError);  // a wait in vain reads no more than the one that follows
    EXPECT_EQ(one.read, 3 + i);
    one.end_next();
    EXPECT_EQ(one.results.next(0s), static_cast<int>(i));
    EXPECT_EQ(one.read, 3 + i);
  }
  Lazy three(3, 2);
  EXPECT_EQ(three.read, 6U);
  for (std::uint64_t i = 0; i < 9; ++i) {
    three.end_next();
    EXPECT_EQ(three.results.next(0s), static_cast<int>(i));
    EXPECT_EQ(three.read, 6 + (i / 3 + 1) * 3);
  }
}

TEST(MapResults, are_moved_whole) {
  Lazy lazy(1, 2);
  for (int i = 0; i < 2; ++i) lazy.end_next();
  auto at = lazy.results.begin();
  EXPECT_EQ(*at, 0);
  MapResults<int> moved(std::move(lazy.results));
  EXPECT_EQ(*at, 0);  // it goes with what was moved
  ++at;
  EXPECT_EQ(*at, 1);
  MapResults<int> assigned;
  assigned = std::move(moved);
  EXPECT_EQ(*at, 1);
  EXPECT_EQ(lazy.read, 4U);
  lazy.end_next();
  EXPECT_EQ(assigned.next(0s), 2);
  EXPECT_EQ(lazy.read, 5U);
  for (MapResults<int>* const empty : {&lazy.results, &moved}) {  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(empty->finished());
    EXPECT_EQ(empty->begin(), empty->end());
    EXPECT_EQ(empty->next(), std::nullopt);
    EXPECT_TRUE(empty->to_vector().empty());
    EXPECT_TRUE(empty->outcomes().empty());
    empty->close();
  }
  EXPECT_FALSE(lazy.control->cancelled);
}

TEST(MapResults, can_be_piped) {
  Map<int> map({1, 2, 3});
  map.values(0, {10, 20, 30});
  Ints doubled;
  for (const int value : std::move(map.results) | std::views::transform([](int x) { return 2 * x; })) {
    doubled.push_back(value);
  }
  EXPECT_EQ(doubled, (Ints{20, 40, 60}));
}

template <class E>
std::string text_of(const std::exception_ptr& error) {
  if (!error) return "no exception";
  try {
    std::rethrow_exception(error);
  } catch (const E& e) {
    return e.what();
  } catch (...) {
    return "another exception";
  }
}

TEST(MapResults, outcomes_have_every_items_value_or_exception_with_its_number) {
  for (const bool unordered : {false, true}) {
    Map<int> map({1, 2, -3, 4, 5}, unordered);
    map.values(4, {50});
    map.state->fail(3, 1, some_failure());
    map.state->error(1, encoded_error("x"));
    map.values(0, {10});
    auto all = map.results.outcomes();
    ASSERT_EQ(all.size(), 5U);
    EXPECT_EQ(all[0].index, unordered ? 2U : 0U);  // the one that could not be encoded came first of all
    EXPECT_EQ(all[1].index, unordered ? 4U : 1U);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    EXPECT_EQ(all[0].value, 10);
    EXPECT_FALSE(all[0].error);
    EXPECT_EQ(text_of<std::out_of_range>(all[1].error), "x");
    EXPECT_FALSE(all[1].value);
    EXPECT_EQ(text_of<std::domain_error>(all[2].error), "negative");
    EXPECT_EQ(text_of<TerminatedWorkerError>(all[3].error), "killed");
    EXPECT_EQ(all[4].value, 50);
    EXPECT_TRUE(map.results.finished());
    EXPECT_TRUE(map.results.outcomes().empty());
  }
}

TEST(MapResults, outcomes_begin_where_the_reading_stands) {
  Map<std::string> map({1, 2, 3});
  map.state->value(0, encoded(std::string("a")));
  map.state->value(1, Bytes(3));
  map.state->cancelled(2, 1);
  EXPECT_EQ(map.results.next(0s), "a");
  const auto rest = map.results.outcomes();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].index, 1U);
  EXPECT_NE(text_of<SerializationError>(rest[0].error), "another exception");
  EXPECT_EQ(text_of<CancelledError>(rest[1].error), CancelledError().what());
}

TEST(MapResults, outcomes_of_a_map_whose_timeout_passes_lose_nothing) {
  for (const bool unordered : {false, true}) {
    Map<int> map({1, 2, 3, 4}, unordered, 20ms);
    map.values(0, {10});
    map.values(2, {30});
    auto all = map.results.outcomes();
    EXPECT_TRUE(map.control->cancelled);
    EXPECT_TRUE(map.results.finished());
    ASSERT_EQ(all.size(), 4U);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.index < b.index; });
    EXPECT_EQ(all[0].value, 10);
    EXPECT_NE(text_of<TimeoutError>(all[1].error), "another exception");
    EXPECT_EQ(all[2].value, 30);
    EXPECT_FALSE(all[3].value);
    EXPECT_TRUE(all[3].error);
    map.values(1, {20});  // nobody is interested any more
  }
}

TEST(MapResults, outcomes_of_an_input_that_throws_end_with_its_exception) {
  Lazy lazy(1, 2, UINT64_MAX, 4);
  for (int i = 0; i < 4; ++i) lazy.end_next();
  const auto all = lazy.results.outcomes();
  ASSERT_EQ(all.size(), 5U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(all[i].value, static_cast<int>(i));
  EXPECT_EQ(all[4].index, 4U);
  EXPECT_EQ(text_of<std::range_error>(all[4].error), "the input");
}

TEST(MapResults, what_to_vector_throws_says_how_many_others_failed) {
  Map<int> map({1, 2, 3, 4});
  map.values(0, {10});
  map.state->error(1, encoded_error("x"));
  map.state->error(2, encoded_error("y"));
  const auto thrown = [&](auto&& call) -> std::exception_ptr {
    try {
      call();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  };
  const auto first = thrown([&] { (void)map.results.to_vector(); });
  EXPECT_EQ(text_of<std::out_of_range>(first), "x (1 other item has failed so far)");
  map.state->fail(3, 1, some_failure());
  EXPECT_EQ(failed_beside(first), "2 other items failed, too");
  EXPECT_EQ(text_of<std::out_of_range>(thrown([&] { (void)map.results.next(); })), "y");  // as it was thrown
  const auto last = thrown([&] { (void)map.results.to_vector(); });
  EXPECT_EQ(text_of<TerminatedWorkerError>(last), "killed (2 other items failed, too)");
  EXPECT_EQ(remote_traceback(last), "");
  map.results = {};
  EXPECT_EQ(failed_beside(last), "2 other items failed, too");
  Map<int> one({1, 2});
  one.state->error(0, encoded_error("x"));
  one.values(1, {20});
  EXPECT_EQ(text_of<std::out_of_range>(thrown([&] { (void)one.results.to_vector(); })), "x");
  EXPECT_EQ(one.results.to_vector(), Ints{20});
}

}  // namespace
}  // namespace rankpool::inline v0_2::detail
